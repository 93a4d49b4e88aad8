"""What a hypothesis is: a named cause that looks at a trace and proposes conditions under which the two sides would be equal.

It is believed only if making the sequences again under its conditions gives what was served, element by element. What it proposes follows
from what it sees; what it sees is one trace under the conditions that are assumed so far, so that several causes can be found together.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from srp_assets.sequences.differences.coding import Integers, Listed
from srp_assets.sequences.differences.conditions import Conditions
from srp_assets.sequences.differences.replaying import Asked, Key, Made
from srp_assets.sequences.differences.world import World

Family = Literal["order", "arrival", "cuts", "time", "identity", "search", "attributes", "embeddings", "numbers", "form", "traces"]


@dataclass(frozen=True)
class Case:
    """One trace that differs.

    Args:
        trace_id: whose.
        world: what may be looked at.
        asked: its request, with the rows that are explained.
        served: the lists of these rows.
        labels: of these rows, by name what both sides say where they do not say the same: (served, offline).
        snapshot_day: from which the online side began, in days since 1970, if it says so.
    """

    trace_id: str
    world: World
    asked: Asked
    served: Made
    labels: Mapping[Key, Mapping[str, tuple[Any, Any]]]
    snapshot_day: int | None


@dataclass(frozen=True)
class Seen:
    """A case under the conditions that are assumed so far."""

    case: Case
    conditions: Conditions
    made: Made

    @property
    def world(self) -> World:
        """What may be looked at."""
        return self.case.world

    @property
    def asked(self) -> Asked:
        """The request."""
        return self.case.asked

    @cached_property
    def widest(self) -> Key | None:
        """The row that shows most of the history: the portrait, or a general search where no portrait is there."""
        order = {"portrait": 0, "general": 1, "final": 2}
        return min(self.case.asked.keys, key=lambda key: order[key[1]], default=None)

    @property
    def served_actions(self) -> Listed:
        """Of the widest row, as served."""
        return self.case.served[self.widest] if self.widest else {}

    @property
    def made_actions(self) -> Listed:
        """Of the widest row, made again."""
        return self.made[self.widest] if self.widest else {}

    @cached_property
    def missing(self) -> Integers:
        """Ids that should be there and were not served."""
        return np.setdiff1d(self.made_actions["event_id"], self.served_actions["event_id"])

    @cached_property
    def extra(self) -> Integers:
        """Ids that were served and should not be there."""
        return np.setdiff1d(self.served_actions["event_id"], self.made_actions["event_id"])

    @cached_property
    def repeated(self) -> bool:
        """Whether an id was served twice."""
        return len(np.unique(self.served_actions["event_id"])) < len(self.served_actions["event_id"])

    @cached_property
    def is_same_history(self) -> bool:
        """Whether the searches had the same actions: what they found otherwise says nothing while they had others."""
        if self.widest is None or self.widest[1] != "portrait":
            return True
        return bool(np.array_equal(self.served_actions["event_id"], self.made_actions["event_id"]))

    @cached_property
    def common(self) -> tuple[Integers, Integers]:
        """Where the ids of both sides stand in the widest row: as served, and made again."""
        _, own, other = np.intersect1d(self.served_actions["event_id"], self.made_actions["event_id"], return_indices=True)
        return own, other

    @cached_property
    def is_reached(self) -> bool:
        """Whether the widest row holds as many actions as it may: then what is older is cut, not missing."""
        declared = self.world.document.portrait.length
        return len(self.made_actions["event_id"]) >= self.conditions.lengths.get((None, "portrait"), declared)

    def of(self, ids: Integers, column: str) -> Any:
        """A column of actions of the row that was made again, by their ids."""
        return self.made_actions[column][np.isin(self.made_actions["event_id"], ids)]

    def in_log(self, ids: Integers) -> Integers:
        """The places in the log of those ids that it has."""
        place_of = self.world.place_of_event
        return np.array([place_of[code] for code in ids.tolist() if code in place_of], np.int64)

    @cached_property
    def kept(self) -> Integers:
        """Ids that both sides have."""
        return np.intersect1d(self.served_actions["event_id"], self.made_actions["event_id"])

    def label(self, name: str) -> tuple[Any, Any] | None:
        """What both sides say, in the first row that they do not agree in."""
        return next((found[name] for found in self.case.labels.values() if name in found), None)


@dataclass(frozen=True)
class Proposal:
    """Conditions to be tried.

    Args:
        conditions: the assumed ones with this cause's in addition.
        cost: what it takes to believe them, in nats: more where actions have to be singled out one by one.
        low: the least value of what was estimated (a delay, a length) that would do as well; null where nothing was.
        high: the largest one.
    """

    conditions: Conditions
    cost: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Cause:
    """A cause of differences.

    Args:
        name: as reports and limits name it.
        family: of what kind it is.
        description: what went wrong, a sentence.
        propose: what it would take; nothing where the trace shows no sign of it.
        is_leak: whether the served or the offline side knew what was not known at the time.
    """

    name: str
    family: Family
    description: str
    propose: Callable[[Seen], Iterator[Proposal]]
    is_leak: bool = False


USUAL, RARE = 2.0, 3.0
"""Costs of causes by how soon one thinks of them; arbitrary but for their order."""

SINGLED_OUT = 2.3
"""The cost of an action that is singled out: that one of ten is, which no rule explains."""

RECOGNIZED = 0.1
"""The cost of an action that is singled out where hardly anything else leaves that sign."""
