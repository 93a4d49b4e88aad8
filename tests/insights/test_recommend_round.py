"""One round of marks on planted topics, many seeds: what is found, and whether the new version is as right as was said. Without Spark."""

import pytest

from srp_assets.insights.recommend.proposal import Proposal
from srp_assets.insights.recommend.proposing import new_words
from srp_assets.insights.recommend.terms.candidates import Candidate
from srp_assets.samples.topics import GAMBLING
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.resolved import ResolvedList
from support.topic_round import TopicRound

ALL_SEEDS = range(50)
SOME_SEEDS = (*range(18, 37), 48)
"""By day: the last one has a word of the other matter among what is proposed."""


@pytest.fixture(scope="module", params=[SOME_SEEDS, pytest.param(ALL_SEEDS, marks=pytest.mark.nightly)], ids=["by day", "at night"])
def rounds(request: pytest.FixtureRequest, sample_catalogue: Catalogue) -> list[tuple[TopicRound, Proposal]]:
    """Both languages in turn, each seed a world of its own, from a third of the topic's words."""
    found = []
    for seed in request.param:
        one = TopicRound(sample_catalogue, "aurora" if seed % 2 else "lotus", seed)
        found.append((one, one.proposal(size=200, controls=200, most=50)))
    return found


def test_most_of_the_missing_words_are_among_the_first_fifty(rounds: list[tuple[TopicRound, Proposal]]) -> None:
    for one, proposal in rounds:
        assert len(proposal.of("add")) <= 50
        assert len(one.found(proposal)) >= 0.8 * len(one.missing), (one.seed, one.missing - one.found(proposal))


def test_the_new_version_is_as_right_as_was_said(rounds: list[tuple[TopicRound, Proposal]]) -> None:
    inside = 0
    for one, proposal in rounds:
        interval = proposal.expected_precision.interval
        assert interval is not None
        assert proposal.expected_precision.basis == "new rows"
        inside += interval.low <= one.measured_precision(proposal) <= interval.high
    assert inside >= 0.9 * len(rounds)


def test_new_rows_are_counted_as_they_are(rounds: list[tuple[TopicRound, Proposal]]) -> None:
    one, proposal = rounds[0]
    texts = [text for text, is_case in zip(one.planted.texts.to_pylist(), one.is_case.tolist(), strict=True) if not is_case]
    for found in proposal.of("add"):
        assert found.new_hits == sum(found.term in text.lower() for text in texts)
        assert 1 <= len(found.examples) <= 3
        assert all(found.term in example.lower() and example in texts for example in found.examples)
        assert found.new_hits >= len(found.examples)


def test_words_that_bring_wrong_rows_are_shown_and_left_out(rounds: list[tuple[TopicRound, Proposal]]) -> None:
    """Of the other matter's words, which stand beside ambiguous ones, next to none are taken up."""
    taken_up = sum(len({found.term for found in proposal.chosen("add")} & set(one.other_words)) for one, proposal in rounds)
    shown = sum(len({found.term for found in proposal.of("add")} & set(one.other_words)) for one, proposal in rounds)
    assert shown > 0
    assert taken_up <= 0.1 * shown


def test_without_marks_words_come_from_retrieved_text_alone(sample_catalogue: Catalogue) -> None:
    for product in ("aurora", "lotus"):
        one = TopicRound(sample_catalogue, product, 3)
        proposal = one.proposal(size=0, controls=0)
        assert len(one.found(proposal)) >= 0.8 * len(one.missing)
        assert proposal.expected_precision.interval is None
        assert "nothing is marked" in proposal.notes[0]


def test_without_control_rows_the_proposal_says_what_it_does_not_know(sample_catalogue: Catalogue) -> None:
    one = TopicRound(sample_catalogue, "aurora", 4)
    proposal = one.proposal(size=150, controls=0)
    assert proposal.expected_precision.basis == "cases"
    assert "no control rows are marked" in proposal.notes[0]
    assert {found.expected_precision.basis for found in proposal.of("add")} <= {"cases", "none"}


def test_the_same_marks_give_the_same_proposal(sample_catalogue: Catalogue) -> None:
    first, second = (TopicRound(sample_catalogue, "lotus", 11).proposal() for _ in range(2))
    assert first == second


def test_words_that_are_mostly_wrong_are_dropped(sample_catalogue: Catalogue) -> None:
    """A list that begins with words of the other matter."""
    one = TopicRound(sample_catalogue, "aurora", 5, also=("olive oil", "simmer"))
    proposal = one.proposal(size=300, controls=100)
    assert {found.term for found in proposal.of("drop")} == {"olive oil", "simmer"}
    for found in proposal.of("drop"):
        assert found.expected_precision.interval is not None
        assert found.expected_precision.interval.high < 0.5
        assert found.new_hits < 0 < found.support
        assert found.examples
    interval = proposal.expected_precision.interval
    assert interval is not None
    assert interval.low <= one.measured_precision(proposal) <= interval.high


def test_what_wrong_cases_have_and_right_ones_have_not_is_proposed_as_an_exemption(sample_catalogue: Catalogue) -> None:
    """All ambiguous words are on the list: the other matter's words tell which of their cases are wrong."""
    one = TopicRound(sample_catalogue, "aurora", 6, also=GAMBLING["aurora"].ambiguous, texts=12_000)
    proposal = one.proposal(size=600, controls=0)
    exempt = {found.term for found in proposal.of("exempt")}
    assert exempt
    assert exempt <= set(one.other_words) | {part for word in one.other_words for part in word.split()}
    for found in proposal.of("exempt"):
        assert found.new_hits == -found.support
        assert all(found.term in example.lower() for example in found.examples)
    without = [case for case in one.cases.tolist() if not any(term in one.planted.texts[case].as_py().lower() for term in exempt)]
    assert one.planted.is_right[without].mean() > one.planted.is_right[one.cases].mean() + 0.02


def test_what_the_lists_transforms_leave_nothing_of_is_no_word() -> None:
    words = ResolvedList(id="x", version=1, words=("casino",), transforms=("delete",))
    candidates = [Candidate(term, 5.0, 10, 9.0, 0.1) for term in ("bonus", "online casino", "\u0301\u0301")]
    assert [candidate.term for candidate in new_words(candidates, words)] == ["bonus"]
