"""What hypotheses may look at beyond both sides: the log with its arrivals, the history of attributes, the vectors of every version.

A world is of one chunk of traces: everything in it is coded by one vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.attributes import UPDATED_AT, newest_before
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.differences.coding import NO_TIME, NONE, Column, Integers, Vocabulary, coded

STAGE_NAMES = {"dwell_seconds": "dwell"}
"""Columns of actions that stage tables call otherwise."""

TEXT_COLUMNS = ("event_id", "kind", "item_id", "market", "category", "device", "query", "page", "location", "hour", "weekday", "trace_id")


@dataclass(frozen=True)
class Attributes:
    """The history of what items are described by: of each item its versions.

    Args:
        keys: codes of the items, shape (versions,).
        since: when each version came, in microseconds, shape (versions,).
        columns: by name, shape (versions,) each.
    """

    keys: Integers
    since: Integers
    columns: Mapping[str, Column]

    def at(self, name: str, items: Integers, days: Integers) -> Column:
        """An attribute of some items as it stood when some days began."""
        places = newest_before(items, days * MICROSECONDS_OF_DAY, self.keys, self.since)
        column = self.columns[name]
        nothing = np.nan if column.dtype.kind == "f" else NONE
        return np.append(column, nothing)[places] if len(column) else np.full(len(items), nothing)


@dataclass(frozen=True)
class World:
    """The context of a chunk.

    Args:
        document: the declaration.
        vocabulary: of all texts.
        actions: the log, by column, ordered by user.
        users: codes of the users of the actions, in order, shape (actions,).
        attributes: the sources of attributes of items.
        vectors: of items, by version: the place of each code (-1 for none), and the matrix.
    """

    document: Document
    vocabulary: Vocabulary
    actions: Mapping[str, Column]
    users: Integers
    attributes: tuple[Attributes, ...] = ()
    vectors: Mapping[str, tuple[Integers, Any]] = field(default_factory=dict)
    _of_items: dict[tuple[str, int, int], Any] = field(default_factory=dict, init=False, repr=False)

    def of_user(self, user: int) -> Integers:
        """The places of a user's actions."""
        first, end = np.searchsorted(self.users, [user, user + 1])
        return np.arange(first, end)

    def attribute(self, name: str, items: Integers, days: Integers) -> Column | None:
        """An attribute of items as it stood on days; None if nothing is described by it."""
        for source in self.attributes:
            if name in source.columns:
                return source.at(name, items, days)
        return None

    def of_item(self, name: str, item: int, day: int) -> Any:
        """An attribute of one item on a day; None if nothing is described by it. Remembered: candidates come again and again."""
        key = (name, item, day)
        if key not in self._of_items:
            found = self.attribute(name, np.array([item]), np.array([day]))
            self._of_items[key] = None if found is None else found[0]
        return self._of_items[key]

    @cached_property
    def digests(self) -> Integers:
        """The digest of each text."""
        return np.array([digest_of(text) for text in self.vocabulary.texts.to_pylist()], np.int64)

    @cached_property
    def hashes(self) -> bool:
        """Whether a sequence hashes ids."""
        return any(sequence.hashing is not None for sequence in self.document.sequences)

    @cached_property
    def place_of_event(self) -> dict[int, int]:
        """Where each action stands in the log, by the code of its id."""
        return {code: place for place, code in enumerate(self.actions["event_id"].tolist())}

    @cached_property
    def change_days(self) -> Integers:
        """The days on which a version of an attribute first counts, newest first."""
        since = [source.since // MICROSECONDS_OF_DAY + 1 for source in self.attributes]
        return np.unique(np.concatenate(since))[::-1] if since else np.zeros(0, np.int64)


def coded_actions(actions: pa.Table, vocabulary: Vocabulary) -> tuple[dict[str, Column], Integers]:
    """The log of actions as numbers, ordered by user, and the users.

    Args:
        actions: of `logs/actions`; an action without a time of arrival arrived when it happened.
        vocabulary: of all texts.
    """
    users = vocabulary.codes(actions["user_id"])
    order = np.argsort(users, kind="stable")
    columns = {}
    for name in actions.column_names:
        own = STAGE_NAMES.get(name, name)
        column = actions[name].combine_chunks() if isinstance(actions[name], pa.ChunkedArray) else actions[name]
        if own in TEXT_COLUMNS:
            columns[own] = vocabulary.codes(column)[order]
        elif own in ("event_time", "arrival_time"):
            columns[own] = coded(own, column, vocabulary)[order]
        elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            columns[own] = np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan))[order]
    arrival = columns["arrival_time"]
    columns["arrival_time"] = np.where(arrival == NO_TIME, columns["event_time"], arrival)
    for name in ("price", "amount", "dwell"):
        columns.setdefault(name, np.full(len(order), np.nan))
    for name in ("market", "device"):
        columns.setdefault(name, np.full(len(order), NONE))
    return columns, users[order]


def coded_attributes(versions: pa.Table, key: str, columns: Mapping[str, str], vocabulary: Vocabulary) -> Attributes:
    """A source of attributes as numbers.

    Args:
        versions: of its rows.
        key: the column with the item.
        columns: the column of each attribute, by its name; those that are neither text nor number are left out.
        vocabulary: of all texts.
    """
    found: dict[str, Column] = {}
    for name, column in columns.items():
        values = versions[column]
        if pa.types.is_string(values.type):
            found[name] = vocabulary.codes(values)
        elif pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            found[name] = np.asarray(pc.fill_null(values.cast(pa.float64()), np.nan))
    since = np.asarray(versions[UPDATED_AT].cast(pa.int64())).astype(np.int64)
    return Attributes(vocabulary.codes(versions[key]), since, found)


def with_category(actions: Mapping[str, Column], attributes: Sequence[Attributes]) -> dict[str, Column]:
    """Actions with the category of their items as it stood on their days; null where nothing says it."""
    days = actions["event_time"] // MICROSECONDS_OF_DAY
    category = next((own.at("category", actions["item_id"], days) for own in attributes if "category" in own.columns), None)
    return {**actions, "category": np.full(len(days), NONE) if category is None else category}
