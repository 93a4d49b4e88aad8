"""Replay equals its definitions, is unbiased where it claims to be, holds the sample world's truth, and agrees with real random traffic."""

from collections.abc import Callable
from functools import partial
from itertools import product
from math import inf
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.bootstrap.resamples import multiplicities
from srp_assets.evaluation.replay.estimators import doubly_robust, ips, snips, switch_doubly_robust
from srp_assets.evaluation.replay.logged import LoggedChoices, logged_choices
from srp_assets.evaluation.replay.replaying import Replay, ReplayOptions, replay
from srp_assets.evaluation.replay.weights import INTERACTIONS, Interaction, weights
from srp_assets.samples.ranking.replayed import replayed
from srp_assets.samples.ranking.world import RankingWorld
from support.naive_replay import Choice, naive_dr, naive_ips, naive_snips

COLUMNS = ("reward", "propensity", "target", "predicted", "predicted_under_target")


@st.composite
def pages(draw: st.DrawFn) -> list[list[Choice]]:
    """Pages of one to three places; the target never chooses some items."""
    chances = st.sampled_from((0.1, 0.25, 0.5, 1.0))
    found = []
    for _ in range(draw(st.integers(1, 6))):
        found.append(
            [
                {
                    "position": place,
                    "reward": draw(st.sampled_from((0.0, 1.0, 2.5))),
                    "propensity": draw(chances),
                    "target": draw(st.sampled_from((0.0, 0.2, 0.5, 1.0))),
                    "predicted": draw(st.sampled_from((0.0, 0.4))),
                    "predicted_under_target": draw(st.sampled_from((0.0, 0.3, 1.0))),
                }
                for place in range(1, draw(st.integers(1, 3)) + 1)
            ]
        )
    return found


def choices_of(found: list[list[Choice]]) -> LoggedChoices:
    rows = [(number, choice) for number, page in enumerate(found) for choice in page]
    return logged_choices(
        request=np.array([number for number, _ in rows], np.int32),
        request_key=np.arange(len(found), dtype=np.uint64) * 977,
        position=np.array([int(choice["position"]) for _, choice in rows]),
        **{name: np.array([choice[name] for _, choice in rows]) for name in COLUMNS},
    )


@given(pages(), st.sampled_from(INTERACTIONS))
def test_estimators_are_what_their_definitions_say(found: list[list[Choice]], interaction: Interaction) -> None:
    choices = choices_of(found)
    weight = weights(choices, interaction)
    assert ips(choices, weight).value == pytest.approx(naive_ips(found, interaction))
    assert snips(choices, weight).value == pytest.approx(naive_snips(found, interaction))
    assert doubly_robust(choices, weight).value == pytest.approx(naive_dr(found, interaction, inf))
    assert switch_doubly_robust(choices, weight, 1.5).value == pytest.approx(naive_dr(found, interaction, 1.5))


@given(pages(), st.sampled_from(INTERACTIONS))
def test_a_resample_is_the_estimate_of_repeated_requests(found: list[list[Choice]], interaction: Interaction) -> None:
    choices = choices_of(found)
    report = replay(choices, ReplayOptions(interaction=interaction, resamples=30, seed=4))
    drawn = multiplicities(choices.request_key, 4, 30)
    repeated = [[page for page, times in zip(found, row, strict=True) for _ in range(times)] for row in drawn]
    expected = [naive_ips(some, interaction) for some in repeated if some]
    if len(expected) < 30 * 0.9:
        assert np.isnan(report.values["ips"].bootstrap.low)
    else:
        low, high = np.quantile(expected, [0.025, 0.975])
        assert report.values["ips"].bootstrap.as_list()[1:] == pytest.approx([low, high])
    assert report.values["ips"].normal.value == pytest.approx(naive_ips(found, interaction))


def clicked_by_item(page: tuple[int, ...], place: int) -> float:
    return (0.2, 0.5, 0.9)[page[place]] / (place + 1)


def clicked_unless_found_above(page: tuple[int, ...], place: int) -> float:
    return clicked_by_item(page, place) * (0.3 if 2 in page[:place] else 1.0)


def clicked_by_what_is_beside(page: tuple[int, ...], place: int) -> float:
    return clicked_by_item(page, place) / len(set(page))


@pytest.mark.parametrize(
    ("interaction", "clicks", "right"),
    [
        ("independent", clicked_by_item, True),
        ("cascade", clicked_by_item, True),
        ("page", clicked_by_item, True),
        ("independent", clicked_unless_found_above, False),
        ("cascade", clicked_unless_found_above, True),
        ("page", clicked_unless_found_above, True),
        ("cascade", clicked_by_what_is_beside, False),
        ("page", clicked_by_what_is_beside, True),
    ],
)
def test_weights_are_unbiased_for_what_they_believe_and_nothing_else(
    interaction: Interaction, clicks: Callable[[tuple[int, ...], int], float], right: bool
) -> None:
    """Exactly, by every page that two policies of two places and three items can show, each with its probability."""
    logging, target = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]), np.array([[0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    truth = estimated = robust = 0.0
    model = np.array([0.3, 0.1, 0.5])
    for page in product(range(3), repeat=2):
        logged, wanted = (policy[0, page[0]] * policy[1, page[1]] for policy in (logging, target))
        choices = choices_of(
            [
                [
                    {
                        "position": place + 1,
                        "reward": clicks(page, place),
                        "propensity": logging[place, item],
                        "target": target[place, item],
                        "predicted": model[item],
                        "predicted_under_target": float(target[place] @ model),
                    }
                    for place, item in enumerate(page)
                ]
            ]
        )
        weight = weights(choices, interaction)
        truth += wanted * sum(clicks(page, place) for place in range(2))
        estimated += logged * ips(choices, weight).value
        robust += logged * doubly_robust(choices, weight).value
    assert (estimated == pytest.approx(truth)) == right
    assert (robust == pytest.approx(truth)) == right


def held(seeds: range, events: int, interaction: Interaction = "independent") -> dict[tuple[str, str], float]:
    """The share of sample worlds whose truth each interval of each estimator holds."""
    found: dict[tuple[str, str], int] = {}
    for seed in seeds:
        known = replayed(RankingWorld(events, seed=seed), share=0.25)
        report = replay(known.choices, ReplayOptions(interaction=interaction, resamples=400))
        for name, value in report.values.items():
            for kind in ("normal", "bootstrap"):
                interval = getattr(value, kind)
                found[name, kind] = found.get((name, kind), 0) + (interval.low <= known.value <= interval.high)
        other = replayed(RankingWorld(events, seed=seed), share=0.25, sharpness=0.4)
        against = replay(known.choices, ReplayOptions(interaction=interaction, resamples=400), other.choices).champion_gains["snips"].normal
        found["champion", "normal"] = found.get(("champion", "normal"), 0) + (against.low <= known.value - other.value <= against.high)
        gain = report.gains["dr"].normal
        found["gain", "normal"] = found.get(("gain", "normal"), 0) + (gain.low <= known.value - known.logged_value <= gain.high)
    return {key: count / len(seeds) for key, count in found.items()}


def test_intervals_hold_the_truth_of_a_few_sample_worlds() -> None:
    shares = held(range(25), 16_000)
    assert set(shares) > {(name, "normal") for name in ("ips", "snips", "dr", "switch_dr")}
    assert min(shares.values()) >= 0.84


@pytest.mark.nightly
@pytest.mark.parametrize("interaction", ["independent", "cascade"])
def test_intervals_hold_the_truth_of_90_to_99_of_a_hundred_sample_worlds(interaction: Interaction) -> None:
    for key, share in held(range(100), 40_000, interaction).items():
        assert 0.9 <= share <= 0.99, key


def test_a_larger_log_knows_more_and_models_help() -> None:
    reports = [replay(replayed(RankingWorld(40_000, seed=2), share).choices, ReplayOptions(resamples=100)) for share in (0.1, 1.0)]
    widths = [{name: value.normal.high - value.normal.low for name, value in report.values.items()} for report in reports]
    for name, width in widths[1].items():
        assert width < 0.5 * widths[0][name]
    assert widths[1]["dr"] < widths[1]["ips"]
    assert reports[1].diagnostics.warnings == ()


def test_diagnostics_see_missing_overlap_and_few_rows() -> None:
    known = replayed(RankingWorld(20_000, seed=3), share=1.0).choices
    choice = partial(logged_choices, request=known.request, request_key=known.request_key, position=known.position, reward=known.reward)
    wrong = replay(choice(propensity=np.minimum(1.0, 1.3 * known.propensity), target=known.target), ReplayOptions(resamples=10)).diagnostics
    assert any("propensities are wrong" in line for line in wrong.warnings)
    one = np.zeros(known.rows)
    one[5] = 1.0
    few = replay(choice(propensity=known.propensity, target=one), ReplayOptions(resamples=10)).diagnostics
    assert few.effective_rows == 1
    assert few.largest_share == 1
    assert any("rests on 1 of" in line for line in few.warnings)


def test_cut_weights_are_smaller_and_less_certainly_right() -> None:
    choices = replayed(RankingWorld(20_000, seed=3), share=1.0).choices
    free, cut = (replay(choices, ReplayOptions(largest_weight=largest, resamples=50)) for largest in (None, 1.2))
    assert cut.diagnostics.largest_weight == 1.2 < free.diagnostics.largest_weight
    assert cut.values["ips"].normal.value < free.values["ips"].normal.value


def open_bandit(folder: Path, campaign: str) -> tuple[Replay, float]:
    """The uniform policy's value by the log of Thompson sampling, and its click rate in the log of its own."""
    columns = ["position", "click", "propensity_score"]
    logged, random = (pq.read_table(folder / f"{policy}_{campaign}.parquet", columns=columns) for policy in ("bts", "random"))
    rows = np.arange(logged.num_rows)
    choices = logged_choices(
        request=rows.astype(np.int32),
        request_key=rows.astype(np.uint64),
        position=logged["position"].to_numpy(),
        reward=logged["click"].to_numpy().astype(float),
        propensity=logged["propensity_score"].to_numpy(),
        target=np.full(len(rows), random["propensity_score"][0].as_py()),
    )
    return replay(choices, ReplayOptions()), float(random["click"].to_numpy().mean())


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_the_value_of_random_traffic_is_found_in_the_log_of_another_policy(shared_data: Path, campaign: str) -> None:
    report, click_rate = open_bandit(shared_data / "open_bandit", campaign)
    for name, value in report.values.items():
        assert value.bootstrap.low <= click_rate <= value.bootstrap.high, name
        assert value.bootstrap.value != click_rate
    # Clicks are rare and weights skewed: a symmetric interval is right for the least skewed estimator alone.
    assert report.values["snips"].normal.low <= click_rate <= report.values["snips"].normal.high
    assert 1 < report.diagnostics.effective_rows < 1_000


def test_a_log_that_rests_on_two_choices_is_told(shared_data: Path) -> None:
    """The women's log has weights of up to 20,000."""
    found = {campaign: open_bandit(shared_data / "open_bandit", campaign)[0].diagnostics for campaign in ("men", "women")}
    assert not any("rests on" in line for line in found["men"].warnings)
    assert found["women"].effective_rows < 3
    assert any("rests on 2 of 10000" in line for line in found["women"].warnings)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"propensity": np.array([0.5, 0.0])}, "propensity is no probability"),
        ({"target": np.array([0.5, 1.5])}, "target is no probability"),
        ({"reward": np.array([np.nan, 0.0])}, "reward is not one finite number"),
        ({"position": np.array([1])}, "position is not one finite number"),
        ({"predicted": np.zeros(2)}, "belong together"),
        ({"request_key": np.arange(3, dtype=np.uint64)}, "a request has no choice"),
    ],
)
def test_a_log_that_cannot_be_replayed_is_refused(changed: dict[str, np.ndarray], says: str) -> None:
    good = {
        "request": np.array([0, 1], np.int32),
        "request_key": np.arange(2, dtype=np.uint64),
        "position": np.array([1, 1]),
        "reward": np.zeros(2),
        "propensity": np.full(2, 0.5),
        "target": np.full(2, 0.5),
    }
    with pytest.raises(InvalidInput, match=says):
        logged_choices(**{**good, **changed})


def test_nothing_cannot_be_replayed() -> None:
    empty = np.zeros(0)
    nothing = logged_choices(
        request=np.zeros(0, np.int32), request_key=np.zeros(0, np.uint64), position=empty, reward=empty, propensity=empty, target=empty
    )
    with pytest.raises(InvalidInput, match="no logged choice"):
        replay(nothing, ReplayOptions())


def test_a_log_is_known_by_what_was_logged_alone() -> None:
    one, other = (replayed(RankingWorld(4_000, seed=6), share=1.0, sharpness=sharpness).choices for sharpness in (0.5, 2.0))
    assert one.digest == other.digest
    assert one.digest != replayed(RankingWorld(4_000, seed=7), share=1.0).choices.digest


def test_two_policies_are_compared_on_the_same_log() -> None:
    world = RankingWorld(20_000, seed=6)
    one, same, other = (replayed(world, share=1.0, sharpness=sharpness).choices for sharpness in (1.2, 1.2, 1.1))
    options = ReplayOptions(resamples=64)
    equal = replay(one, options, same).champion_gains
    assert {name: value.normal.as_list() for name, value in equal.items()} == dict.fromkeys(equal, [0.0, 0.0, 0.0])
    found = replay(one, options, other)
    separate = replay(other, options)
    for name, gain in found.champion_gains.items():
        assert gain.normal.value == pytest.approx(found.values[name].normal.value - separate.values[name].normal.value)
        # Policies that are alike differ by far less than each is uncertain.
        assert gain.normal.high - gain.normal.low < 0.3 * (found.values[name].normal.high - found.values[name].normal.low)
        assert gain.bootstrap.high - gain.bootstrap.low == pytest.approx(gain.normal.high - gain.normal.low, rel=0.5)
    assert replay(one, options).champion_gains == {}
    with pytest.raises(InvalidInput, match="different logs"):
        replay(one, options, replayed(RankingWorld(20_000, seed=7), share=1.0).choices)
