"""How right a task's cases are: by word, list, rule, task and strategy version, from marks. No framework.

Only marks on sampled sheets estimate anything: a case that somebody chose says nothing about others. Such marks are counted, and enter only
where all cases of a task are marked. A case counts as sampled when it was marked on its sheet; its verdict is its newest, whoever gave it.
Unsure marks are counted and left out of the share. Rules are those that ask for words: a case keeps by which of them it came. Recall needs
control rows: hits alone say nothing about what was missed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

from srp_assets.insights.intervals import Proportion, proportion
from srp_assets.insights.marked_sample import TaskMarks, marked_sample
from srp_assets.insights.marks import Cause, Mark

Level = Literal["strategy_version", "task", "rule", "list", "word"]


@dataclass(frozen=True)
class Precision:
    """How right the cases of one task, rule, list, word or strategy version are.

    `marked` counts the cases with a mark, also those chosen by hand; `right`, `wrong` and `unsure` are their newest verdicts. `estimate` is
    the share of right ones in all cases, between `low` and `high` with a confidence of 95 %; None where no sampled case is marked right or
    wrong. Where all cases are marked the bounds are equal and the effective sample size is infinite. `flagged` says that even `high` lies
    under the threshold.
    """

    level: Level
    name: str
    marked: int
    right: int
    wrong: int
    unsure: int
    estimate: float | None
    low: float | None
    high: float | None
    effective_sample_size: float
    flagged: bool


@dataclass(frozen=True)
class RecallShare:
    """The share of what should be found that is found, with its bounds, and how many control rows it rests on."""

    estimate: float
    low: float
    high: float
    controls: int


@dataclass(frozen=True)
class PrecisionReport:
    """All that the marks of a task say.

    `rows` begin with the strategy version and the task. `sampled` are the cases marked on sheets, `chosen` those that somebody picked,
    `controls` the marked control rows. `recall` is None where there are none of these; `notes` say so, and what else is not known.
    """

    task_id: str
    strategy: str
    version: int
    threshold: float
    rows: tuple[Precision, ...]
    sampled: int
    chosen: int
    controls: int
    recall: RecallShare | None
    notes: tuple[str, ...]

    def of(self, level: Level) -> tuple[Precision, ...]:
        """The rows of one level."""
        return tuple(row for row in self.rows if row.level == level)


def rule_name(cause: Cause) -> str:
    """The rule that a word hit by."""
    return f"{cause.object}.{cause.feature} matches {cause.list}"


def list_name(cause: Cause) -> str:
    """The list that a word is of."""
    return cause.list


def word_name(cause: Cause) -> str:
    """A word with its list."""
    return f"{cause.list}: {cause.word}"


NAMES: tuple[tuple[Level, Callable[[Cause], str]], ...] = (("rule", rule_name), ("list", list_name), ("word", word_name))


def precision_of_task(
    task: TaskMarks, *, strategy: str, version: int, others: Sequence[TaskMarks] = (), threshold: float
) -> PrecisionReport:
    """Everything that is known of a task's precision.

    Args:
        task: the task.
        strategy: the id of its strategy.
        version: the version of it that the task ran with.
        others: the other tasks that ran with the same version.
        threshold: words, and all else, whose interval lies under this share are flagged.
    """
    rows = [
        _whole("strategy_version", f"{strategy}@{version}", [task, *others], threshold),
        _whole("task", task.task_id, [task], threshold),
    ]
    sampled = marked_sample([task], "case")
    for level, name_of in NAMES:
        marks: dict[str, list[Mark]] = {}
        for mark in task.marked_cases:
            for name in {name_of(cause) for cause in task.causes.get(mark.case, ())}:
                marks.setdefault(name, []).append(mark)
        samples = sampled.by_cause(name_of)
        for name in sorted(marks):
            found = _exact(marks[name]) if task.is_marked_whole else proportion(samples[name]) if name in samples else None
            rows.append(_row(level, name, marks[name], found, threshold))
    on_sheets = {unit.mark.case for unit in task.sampled("case")}
    controls = {unit.mark.case for unit in task.sampled("control")}
    chosen = len(task.marked_cases) - len(on_sheets)
    recall = recall_of(task)
    return PrecisionReport(
        task_id=task.task_id,
        strategy=strategy,
        version=version,
        threshold=threshold,
        rows=tuple(rows),
        sampled=len(on_sheets),
        chosen=chosen,
        controls=len(controls),
        recall=recall,
        notes=tuple(_notes(task, len(on_sheets), chosen, recall)),
    )


def recall_of(task: TaskMarks) -> RecallShare | None:
    """The share of the rows that should be found which are found: from control rows, None where none is marked.

    What was missed over what was found is a ratio of two independent estimates, whose interval comes from theirs (the method of variance
    estimates recovery: Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and standard deviation",
    Statistical Methods in Medical Research 21, 2012).
    """
    controls = marked_sample([task], "control").sample
    right, missed = proportion(marked_sample([task], "case").sample), proportion(controls)
    if right is None or missed is None or not right.estimate:
        return None
    newest = [sheet for sheet in task.sheets if any(stratum.frame == "control" for stratum in sheet.strata)][-1]
    rows = sum(stratum.population for stratum in newest.strata if stratum.frame == "control")
    low, high = _ratio(missed, right)
    estimate, least, most = (1 / (1 + rows / task.cases * ratio) for ratio in (missed.estimate / right.estimate, high, low))
    return RecallShare(estimate, least, most, len(controls))


def _ratio(above: Proportion, below: Proportion) -> tuple[float, float]:
    """The interval of one share over another."""
    product = above.estimate * below.estimate
    under_low = below.high * (2 * below.estimate - below.high)
    under_high = below.low * (2 * below.estimate - below.low)
    low_root = product**2 - above.low * (2 * above.estimate - above.low) * under_low
    high_root = product**2 - above.high * (2 * above.estimate - above.high) * under_high
    low = (product - sqrt(max(0.0, low_root))) / under_low if under_low > 0 else 0.0
    high = (product + sqrt(max(0.0, high_root))) / under_high if under_high > 0 else inf
    return max(0.0, low), high


def _whole(level: Level, name: str, tasks: Sequence[TaskMarks], threshold: float) -> Precision:
    """The precision of all cases of some tasks."""
    marks = [mark for task in tasks for mark in task.marked_cases]
    is_whole = all(task.is_marked_whole for task in tasks)
    return _row(level, name, marks, _exact(marks) if is_whole else proportion(marked_sample(tasks, "case").sample), threshold)


def _exact(marks: Sequence[Mark]) -> Proportion:
    """The share in cases all of which are marked right or wrong."""
    share = sum(mark.verdict == "right" for mark in marks) / len(marks)
    return Proportion(share, share, share, inf)


def _row(level: Level, name: str, marks: Sequence[Mark], found: Proportion | None, threshold: float) -> Precision:
    verdicts = [mark.verdict for mark in marks]
    return Precision(
        level=level,
        name=name,
        marked=len(verdicts),
        right=verdicts.count("right"),
        wrong=verdicts.count("wrong"),
        unsure=verdicts.count("unsure"),
        estimate=None if found is None else found.estimate,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        effective_sample_size=0.0 if found is None else found.effective_sample_size,
        flagged=found is not None and found.high < threshold,
    )


def _notes(task: TaskMarks, on_sheets: int, chosen: int, recall: RecallShare | None) -> Iterable[str]:
    command = f"srp cases {task.task_id} --sample N"
    if task.is_marked_whole:
        yield "all cases are marked: shares are exact"
    elif not on_sheets:
        yield f"no sampled case is marked: `{command} --export FILE` draws a sheet"
    if chosen and not task.is_marked_whole:
        yield f"{chosen:,} marked {'case was' if chosen == 1 else 'cases were'} chosen by hand, not sampled: counted, not in the estimates"
    if any(sheet.refills != task.refills for sheet in task.sheets):
        yield "a sheet was drawn before the newest refill: it knows nothing of cases that came since"
    if recall is None:
        yield f"recall is not known: it needs marked control rows, `{command} --controls N --export FILE`"
