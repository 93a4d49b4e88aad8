"""A sheet: the sample of one task's cases, and of rows that are none, that people mark. Plain data, no framework."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from srp_assets.insights.marks import CaseKey, Cause

Frame = Literal["case", "control"]
"""What a sheet samples: the task's cases, or rows that the task evaluated and that are no cases."""


@dataclass(frozen=True)
class Stratum:
    """Units that are sampled together, each with the same probability `drawn` / `population`.

    `name` says what they have in common: the list and the word that brought them, for people.
    """

    frame: Frame
    name: str
    population: int
    drawn: int

    @property
    def probability(self) -> float:
        """With which each of its units is in the sample."""
        return self.drawn / self.population


@dataclass(frozen=True)
class SheetRow:
    """One sampled unit; `stratum` is a place among the sheet's strata. `causes` are the words that brought a case."""

    case: CaseKey
    stratum: int
    causes: tuple[Cause, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A stratified random sample of one task, as it was when it had so many `cases` after so many `refills`.

    `rows` are in random order, the same for the same seed: who marks the first hundred has marked a random hundred.
    """

    sheet_id: str
    task_id: str
    seed: int
    created_at: datetime
    author: str
    cases: int
    refills: int
    strata: tuple[Stratum, ...]
    rows: tuple[SheetRow, ...]
