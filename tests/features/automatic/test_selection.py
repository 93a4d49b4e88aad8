"""Selection on made-up rows with known truth: what carries news is taken, what repeats, has no values or costs too much is not."""

import numpy as np
import pytest

from srp_assets.features.automatic.selection import Evidence, Rules, Sample, encoded, information_of, select, standard_ranks

ROWS = 2_000


def made_up(seed: int = 0) -> Sample:
    random = np.random.default_rng(seed)
    known, news, weak, noise = random.normal(size=(4, ROWS))
    first, second = random.integers(0, 2, ROWS), random.integers(0, 2, ROWS)
    score = known + 1.5 * news + 0.3 * weak + 2.0 * (first ^ second) - 1.0
    labels = (random.random(ROWS) < 1 / (1 + np.exp(-score))).astype(np.int64)
    texts = np.array(["a", "b"], dtype=object)
    rare = np.full(ROWS, np.nan)
    rare[:50] = news[:50]
    cross = np.array([f"{one}|{other}" for one, other in zip(texts[first], texts[second], strict=True)], dtype=object)
    return Sample(
        labels,
        {"known": known, "first": texts[first], "second": texts[second]},
        {"news": news, "repeats": np.exp(known), "noise": noise, "rare": rare, "cross": cross, "weak": weak},
    )


COSTS = {"news": 1.0, "repeats": 1.0, "noise": 1.0, "rare": 1.0, "cross": 1.0, "weak": 1.0}
RULES = Rules(pays=0.003, tried=3)


@pytest.fixture(scope="module")
def found() -> dict[str, Evidence]:
    return {evidence.name: evidence for evidence in select(made_up(), COSTS, {"cross": ("first", "second")}, RULES)}


def test_candidates_are_taken_while_they_pay(found: dict[str, Evidence]) -> None:
    assert set(list(found)[:2]) == {"news", "cross"}
    verdicts = {name: evidence.verdict for name, evidence in found.items()}
    assert verdicts["news"] == verdicts["cross"] == "accepted"
    assert verdicts["repeats"] == "redundant"
    assert found["repeats"].redundancy == pytest.approx(1.0)
    assert verdicts["rare"] == "too few values"
    assert verdicts["noise"] == "does not pay"
    assert found["news"].gain is not None
    assert found["news"].gain > 0.05
    assert found["noise"].gain is not None
    assert found["noise"].gain < RULES.pays


def test_the_information_of_a_cross_is_what_it_knows_beyond_its_parts(found: dict[str, Evidence]) -> None:
    sample = made_up()
    alone = information_of(sample.known["first"], sample.labels)
    assert found["cross"].information == pytest.approx(information_of(sample.candidates["cross"], sample.labels) - alone, abs=1e-3)
    assert found["cross"].information > 10 * alone


def test_what_costs_too_much_is_not_taken() -> None:
    whole = made_up()
    sample = Sample(whole.labels, {"known": whole.known["known"]}, {name: whole.candidates[name] for name in ("news", "weak")})
    found = {evidence.name: evidence for evidence in select(sample, COSTS | {"news": 1_000.0}, {}, Rules(pays=0.003, most=1))}
    assert found["news"].verdict == "does not pay"
    assert found["news"].gain is not None
    assert found["news"].gain > RULES.pays


def test_selection_is_the_same_each_time() -> None:
    first, second = (select(made_up(), COSTS, {}, Rules(most=1, tried=1)) for _ in range(2))
    assert first == second


def test_a_text_never_reads_its_own_label() -> None:
    labels = np.array([1, 0, 1, 0, 1, 1])
    training = np.array([True, True, True, True, False, False])
    values = np.array(["only", "a", "a", None, "only", "new"], dtype=object)
    found = encoded(values, labels, training)
    # Each of the four training rows is a fold of its own here; later rows know all four.
    expected = [1 / 3, (1 + 20 * 2 / 3) / 21, (20 / 3) / 21, np.nan, (1 + 10) / 21, 0.5]
    np.testing.assert_allclose(found, expected)


def test_the_encoding_of_a_text_says_nothing_where_the_text_says_nothing() -> None:
    random = np.random.default_rng(7)
    labels = random.integers(0, 2, ROWS)
    training = np.arange(ROWS) < ROWS * 0.7
    text = np.array(["a", "b"], dtype=object)[random.integers(0, 2, ROWS)]
    found = encoded(text, labels, training)[training]
    for value in np.unique(found):
        # Whoever knows the encoding knows hardly more than chance about the label.
        assert 0.3 < labels[training][found == value].mean() < 0.7


def test_ranks_give_spearmans_correlation() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(2)
    columns = [random.integers(0, 9, 200).astype(float), random.normal(size=200), np.ones(200), np.full(200, np.nan)]
    ranks = standard_ranks(columns)
    assert (ranks.T @ ranks)[0, 1] == pytest.approx(spearmanr(columns[0], columns[1]).statistic)
    assert (ranks[:, 2:] == 0).all()
