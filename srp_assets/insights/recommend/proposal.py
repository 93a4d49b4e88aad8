"""What is proposed for a word list: words to add, words to drop, exemptions to add, each with its evidence. Plain data, no framework."""

from dataclasses import dataclass
from typing import Literal

from srp_assets.insights.intervals import Proportion

Action = Literal["add", "drop", "exempt"]
Basis = Literal["new rows", "cases", "none"]


@dataclass(frozen=True)
class ExpectedPrecision:
    """The share of right ones among what a word brings, estimated from marks that had no part in choosing it.

    `basis` says which marks: of rows that the list does not hit yet (control rows of a sheet), which is what the word would bring; of
    cases only, which hold a word of the list too and so are rather right; or none. `marked` are how many right or wrong ones.
    """

    interval: Proportion | None
    basis: Basis
    marked: int


@dataclass(frozen=True)
class Recommendation:
    """One change of a word list.

    `term` is the word or exemption as the list would have it. `score` is the z-score of its log-odds (`terms/log_odds.py`): ranks within an
    action. `support` are the texts looked at that hold it. `new_hits` are the rows of the task's cells that would come anew; for what is
    dropped or exempt, the cases that would go, as a negative number. `examples` are up to three texts, `reason` is one sentence. `chosen`
    says that the new version takes it up: all but words to add of which the marks say that they are more often wrong than wanted.
    """

    term: str
    action: Action
    score: float
    support: int
    new_hits: int
    expected_precision: ExpectedPrecision
    examples: tuple[str, ...]
    reason: str
    chosen: bool = True


@dataclass(frozen=True)
class Proposal:
    """A new version of one word list, proposed from one task.

    `recommendations` are ranked within each action. `expected_precision` is that of all that the new version would hit. `marks` are the
    right or wrong marks that were used, `texts` the retrieved texts that were looked at, `background` the others. `notes` say what the
    evidence lacks.
    """

    task_id: str
    list_id: str
    version: int
    recommendations: tuple[Recommendation, ...]
    expected_precision: ExpectedPrecision
    marks: int
    texts: int
    background: int
    notes: tuple[str, ...] = ()

    def of(self, action: Action) -> tuple[Recommendation, ...]:
        """The recommendations of one action, the best first."""
        return tuple(found for found in self.recommendations if found.action == action)

    def chosen(self, action: Action) -> tuple[Recommendation, ...]:
        """Those of one action that the new version takes up."""
        return tuple(found for found in self.of(action) if found.chosen)
