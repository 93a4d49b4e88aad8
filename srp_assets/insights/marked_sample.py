"""A task's marks put together with the sheets that they were made on: which units are known, and what each stands for. No framework."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from srp_assets.insights.intervals import Booleans, Sample
from srp_assets.insights.marks import CaseKey, Cause, Mark, newest_marks
from srp_assets.insights.sheets.model import Frame, Sheet

Place = TypeVar("Place", bound=Hashable)


@dataclass(frozen=True)
class MarkedUnit:
    """A unit of a sheet that is marked: its newest mark, the words that brought it, and its place in the design."""

    mark: Mark
    causes: tuple[Cause, ...]
    sheet: int
    stratum: int


@dataclass(frozen=True)
class TaskMarks:
    """A task's marks in the order in which they were made, its sheets, and how many cases it has after how many refills."""

    task_id: str
    cases: int
    refills: int
    marks: tuple[Mark, ...]
    sheets: tuple[Sheet, ...]

    @cached_property
    def newest(self) -> Mapping[CaseKey, Mark]:
        """The mark of each unit that counts."""
        return newest_marks(self.marks)

    @cached_property
    def causes(self) -> Mapping[CaseKey, tuple[Cause, ...]]:
        """The words that brought each marked case: as its newest mark knows them, else as its sheet does."""
        of_sheets = {row.case: row.causes for sheet in self.sheets for row in sheet.rows}
        return of_sheets | {case: mark.causes for case, mark in self.newest.items() if mark.causes}

    @cached_property
    def controls(self) -> frozenset[CaseKey]:
        """The rows of sheets that were no cases."""
        return frozenset(row.case for sheet in self.sheets for row in sheet.rows if sheet.strata[row.stratum].frame == "control")

    @cached_property
    def marked_cases(self) -> tuple[Mark, ...]:
        """The newest marks of cases, sampled or chosen by hand."""
        return tuple(mark for case, mark in self.newest.items() if case not in self.controls)

    @property
    def is_marked_whole(self) -> bool:
        """Whether every case is marked right or wrong."""
        return 0 < self.cases <= sum(mark.verdict != "unsure" for mark in self.marked_cases)

    def sampled(self, frame: Frame) -> list[MarkedUnit]:
        """The units of the sheets that were marked on them, with their newest marks."""
        on_sheet = {(mark.sheet_id, mark.case) for mark in self.marks if mark.sheet_id is not None}
        return [
            MarkedUnit(self.newest[row.case], self.causes.get(row.case, ()), number, row.stratum)
            for number, sheet in enumerate(self.sheets)
            for row in sheet.rows
            if sheet.strata[row.stratum].frame == frame and (sheet.sheet_id, row.case) in on_sheet
        ]


@dataclass(frozen=True)
class MarkedSample:
    """Units that are marked right or wrong, and the sample that they are: parallel."""

    units: tuple[MarkedUnit, ...]
    sample: Sample

    def where(self, chosen: Booleans) -> "MarkedSample":
        """A part of the units, as a domain."""
        return MarkedSample(tuple(self.units[place] for place in np.flatnonzero(chosen)), self.sample.where(chosen))

    def by_cause(self, name_of: Callable[[Cause], str]) -> dict[str, Sample]:
        """The part of the sample that each word, list or rule brought, by its name."""
        places: dict[str, list[int]] = {}
        for place, unit in enumerate(self.units):
            for name in {name_of(cause) for cause in unit.causes}:
                places.setdefault(name, []).append(place)
        return {name: self.sample.where(np.array(found, dtype=np.int64)) for name, found in places.items()}


def marked_sample(tasks: Iterable[TaskMarks], frame: Frame, only: Collection[CaseKey] | None = None) -> MarkedSample:
    """What the marks on the sheets of tasks, or `only` those of some units, stand for.

    Each task stands for its own cases. Its sheets, each of which stands for all of them, are put together in proportion to their marks
    (Korn and Graubard, "Analysis of health surveys", 1999, section 8.2).
    """
    units: list[MarkedUnit] = []
    design: list[tuple[float, int, int, float]] = []
    strata = 0
    for task in tasks:
        mine = [unit for unit in task.sampled(frame) if unit.mark.verdict != "unsure" and (only is None or unit.mark.case in only)]
        in_stratum = _counts((unit.sheet, unit.stratum) for unit in mine)
        on_sheet = _counts(unit.sheet for unit in mine)
        numbers = {place: strata + number for number, place in enumerate(sorted(in_stratum))}
        strata += len(numbers)
        for unit in mine:
            place = (unit.sheet, unit.stratum)
            population, marked = task.sheets[unit.sheet].strata[unit.stratum].population, in_stratum[place]
            weight = on_sheet[unit.sheet] / len(mine) * population / marked
            design.append((weight, numbers[place], marked, 1 - marked / population))
        units += mine
    return MarkedSample(tuple(units), _sample([unit.mark.verdict == "right" for unit in units], design))


def joined(samples: Sequence[Sample]) -> Sample:
    """Samples of different populations as one of all of them."""
    first = np.cumsum([0, *(int(sample.stratum.max(initial=-1)) + 1 for sample in samples)])
    return Sample(
        np.concatenate([np.empty(0, dtype=np.bool_), *(sample.right for sample in samples)]),
        np.concatenate([np.empty(0), *(sample.weight for sample in samples)]),
        np.concatenate([np.empty(0, dtype=np.int64), *(sample.stratum + start for sample, start in zip(samples, first, strict=False))]),
        np.concatenate([np.empty(0, dtype=np.int64), *(sample.marked for sample in samples)]),
        np.concatenate([np.empty(0), *(sample.left_out for sample in samples)]),
    )


def _sample(right: Sequence[bool], design: Sequence[tuple[float, int, int, float]]) -> Sample:
    weight, stratum, marked, left_out = zip(*design, strict=True) if design else ((), (), (), ())
    return Sample(
        np.array(right, dtype=np.bool_),
        np.array(weight, dtype=np.float64),
        np.array(stratum, dtype=np.int64),
        np.array(marked, dtype=np.int64),
        np.array(left_out, dtype=np.float64),
    )


def _counts(places: Iterable[Place]) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for place in places:
        found[place] = found.get(place, 0) + 1
    return found
