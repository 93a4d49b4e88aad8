"""Precision from marks and sheets: what enters, what is only counted, what is flagged, and what is not known."""

from datetime import UTC, datetime
from math import inf

import numpy as np
import pytest

from srp_assets.insights.marked_sample import TaskMarks
from srp_assets.insights.marks import CaseKey, Cause, Mark, Verdict
from srp_assets.insights.precision import Precision, PrecisionReport, precision_of_task
from srp_assets.insights.sheets.model import Sheet, SheetRow, Stratum

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def key(number: int) -> CaseKey:
    return CaseKey("aurora", "comment", str(number))


def cause(word: str, list_: str = "scam") -> Cause:
    return Cause("comment", "text", list_, word)


def sheet(strata: list[Stratum], rows: list[SheetRow], *, sheet_id: str = "s-1", cases: int = 100, refills: int = 0) -> Sheet:
    return Sheet(sheet_id, "t-1", 1, NOW, "tests", cases, refills, tuple(strata), tuple(rows))


def mark(number: int, verdict: Verdict, *words: str, sheet_id: str | None = "s-1") -> Mark:
    return Mark("t-1", key(number), verdict, None, "x", NOW, sheet_id, tuple(cause(word) for word in words))


def report(marks: list[Mark], sheets: list[Sheet], *, cases: int = 100, threshold: float = 0.5, refills: int = 0) -> PrecisionReport:
    task = TaskMarks("t-1", cases, refills, tuple(marks), tuple(sheets))
    return precision_of_task(task, strategy="lure", version=3, threshold=threshold)


def row(found: PrecisionReport, level: str, name: str | None = None) -> Precision:
    return next(one for one in found.rows if one.level == level and name in (None, one.name))


def two_strata(count: int = 10) -> Sheet:
    """Ten of 90 cases by a frequent word, and ten of 10 by a rare one."""
    strata = [Stratum("case", "scam: often", 90, count), Stratum("case", "scam: rare", 10, count)]
    rows = [SheetRow(key(number), number // count, (cause("often" if number < count else "rare"),)) for number in range(2 * count)]
    return sheet(strata, rows)


def test_shares_are_weighted_by_the_sheets_probabilities() -> None:
    words = ["often"] * 10 + ["rare"] * 10
    found = report([mark(number, "right" if number < 10 else "wrong", words[number]) for number in range(20)], [two_strata()])
    assert row(found, "task").estimate == pytest.approx(0.9)
    assert (row(found, "word", "scam: often").estimate, row(found, "word", "scam: rare").estimate) == (1.0, 0.0)
    # All of the rare word's cases are marked: its precision is known, not estimated.
    rare = row(found, "word", "scam: rare")
    assert (rare.low, rare.high, rare.effective_sample_size, rare.flagged) == (0.0, 0.0, inf, True)
    assert not row(found, "task").flagged
    assert row(found, "rule").name == "comment.text matches scam"
    assert row(found, "strategy_version").name == "lure@3"
    assert found.sampled == 20


def test_marks_of_chosen_cases_are_counted_and_estimate_nothing() -> None:
    found = report([mark(1, "wrong", "often", sheet_id=None), mark(2, "right", "often", sheet_id=None)], [two_strata()])
    task = row(found, "task")
    assert (task.marked, task.right, task.wrong, task.estimate, task.flagged) == (2, 1, 1, None, False)
    assert (found.sampled, found.chosen) == (0, 2)
    assert any("chosen by hand" in note for note in found.notes)
    assert any("no sampled case is marked" in note for note in found.notes)


def test_the_newest_verdict_of_a_sampled_case_counts_whoever_gave_it() -> None:
    marks = [mark(number, "right", "often") for number in range(10)] + [mark(0, "wrong", "often", sheet_id=None)]
    found = report(marks, [two_strata()])
    assert (row(found, "task").right, row(found, "task").wrong, row(found, "task").estimate) == (9, 1, pytest.approx(0.9))
    assert (found.sampled, found.chosen) == (10, 0)


def test_unsure_marks_are_counted_and_left_out() -> None:
    marks = [mark(0, "unsure", "often"), mark(1, "right", "often"), mark(2, "wrong", "often")]
    found = row(report(marks, [two_strata()]), "task")
    assert (found.marked, found.right, found.wrong, found.unsure, found.estimate) == (3, 1, 1, 1, 0.5)


def test_words_are_flagged_when_their_whole_interval_lies_under_the_threshold() -> None:
    strata = [Stratum("case", "scam: bad", 1_000, 30), Stratum("case", "scam: doubtful", 1_000, 30)]
    rows = [SheetRow(key(number), number // 30, (cause("bad" if number < 30 else "doubtful"),)) for number in range(60)]
    marks = [mark(number, "right" if number % 30 < (3 if number < 30 else 13) else "wrong") for number in range(60)]
    found = report(marks, [sheet(strata, rows, cases=2_000)], cases=2_000)
    bad, doubtful = row(found, "word", "scam: bad"), row(found, "word", "scam: doubtful")
    assert (bad.estimate, bad.flagged) == (pytest.approx(0.1), True)
    assert (doubtful.estimate, doubtful.flagged) == (pytest.approx(13 / 30), False)
    assert bad.high < 0.5 < doubtful.high


def test_where_all_cases_are_marked_the_share_is_exact_sampled_or_not() -> None:
    marks = [mark(number, "right" if number < 3 else "wrong", "often", sheet_id=None) for number in range(4)]
    found = report(marks, [], cases=4)
    for one in found.rows:
        assert (one.estimate, one.low, one.high, one.effective_sample_size) == (0.75, 0.75, 0.75, inf)
    assert "all cases are marked: shares are exact" in found.notes


def test_two_sheets_of_a_task_are_put_together() -> None:
    strata = [Stratum("case", "scam: often", 100, 10)]
    sheets = [
        sheet(strata, [SheetRow(key(10 * number + place), 0, (cause("often"),)) for place in range(10)], sheet_id=f"s-{number}")
        for number in range(2)
    ]
    marks = [mark(number, "right" if number % 2 else "wrong", sheet_id=f"s-{number // 10}") for number in range(20)]
    found = row(report(marks, sheets), "task")
    assert found.estimate == pytest.approx(0.5)
    # Twenty marks, a tenth of the cases on each sheet; the variance within the sheets (10 / 9 of p (1 - p)) by ten marks of each verdict
    # and twenty of the prior.
    assert found.effective_sample_size == pytest.approx(20 / 0.9 / ((10 * 10 / 9 + 20) / 30))


def test_a_strategy_version_adds_up_its_tasks() -> None:
    own = TaskMarks("t-1", 100, 0, tuple(mark(number, "right", "often") for number in range(10)), (two_strata(),))
    strata = [Stratum("case", "scam: often", 300, 10)]
    other_sheet = sheet(strata, [SheetRow(key(number), 0, (cause("often"),)) for number in range(10)], sheet_id="s-2", cases=300)
    other = TaskMarks("t-2", 300, 0, tuple(mark(number, "wrong", sheet_id="s-2") for number in range(10)), (other_sheet,))
    found = precision_of_task(own, strategy="lure", version=3, others=[other], threshold=0.5)
    # Marked are 90 cases of the first task's strata and 300 of the second's.
    assert row(found, "strategy_version").estimate == pytest.approx(90 / 390)
    assert row(found, "task").estimate == 1.0


def test_recall_comes_from_control_rows_alone() -> None:
    found = report([mark(number, "right", "often") for number in range(10)], [two_strata()])
    assert found.recall is None
    assert any("recall is not known" in note for note in found.notes)
    strata = [Stratum("case", "scam: often", 100, 10), Stratum("control", "no near word", 900, 30)]
    rows = [SheetRow(key(number), number >= 10, (cause("often"),) if number < 10 else ()) for number in range(40)]
    marks = [mark(number, "right" if number < 13 else "wrong") for number in range(40)]
    found = report(marks, [sheet(strata, rows)])
    assert found.recall is not None
    # 100 right ones are found, 3 of 30 control rows stand for 90 that are missed.
    assert found.recall.estimate == pytest.approx(100 / 190)
    assert found.recall.low < found.recall.estimate < found.recall.high < 1
    assert (found.recall.controls, found.controls, found.sampled, row(found, "task").marked) == (30, 30, 10, 10)


def test_simulated_recall_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(3)
    held, rounds = 0, 250
    for _ in range(rounds):
        precision, missed = random.beta(8, 2), random.beta(2, 10)
        cases, others = 2_000, 6_000
        strata = [Stratum("case", "scam: often", cases, 80), Stratum("control", "no near word", others, 120)]
        rows = [SheetRow(key(number), number >= 80, (cause("often"),) if number < 80 else ()) for number in range(200)]
        verdicts = np.concatenate([random.random(80) < precision, random.random(120) < missed])
        marks = [mark(number, "right" if right else "wrong") for number, right in enumerate(verdicts)]
        found = report(marks, [sheet(strata, rows, cases=cases)], cases=cases).recall
        truth = cases * precision / (cases * precision + others * missed)
        held += found is not None and found.low <= truth <= found.high
    assert 0.93 <= held / rounds <= 0.98


def test_a_refill_since_the_sheet_is_told() -> None:
    found = report([mark(number, "right", "often") for number in range(10)], [two_strata()], refills=1)
    assert any("before the newest refill" in note for note in found.notes)
