"""All stages of the requests of some users from what is kept of their months: pure arrays, what a task of the plan does.

Of a month only a user's newest actions are kept. Where more were, the oldest kept action says so (`dropped`): below it something is
missing. A request whose portrait ends above all such places is exact; one whose portrait would reach beyond is named, and its raw actions
are read.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import Flags, Floats, Integers, encoded, integers, numbers
from srp_assets.features.times import MICROSECONDS_OF_DAY, days_of
from srp_assets.sequences.building.actions import DROPPED, newest_first
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import ITEM, AttributeIndex, digests_of
from srp_assets.sequences.search.described import Described
from srp_assets.sequences.search.requests import candidate_codes, seen
from srp_assets.sequences.search.searching import PreparedSequence, SearchVectors
from srp_assets.sequences.search.tables import CATEGORY, COLUMN_OF, OWN_LISTS, Asked, StageRows
from srp_assets.sequences.stages import STAGE_SCHEMA

CANDIDATES = "candidates"

PLACES_AT_ONCE = 2_000_000
"""Actions in the lists of one table: some hundred megabytes."""


@dataclass(frozen=True)
class Inputs:
    """What all requests are computed with.

    Args:
        document: what is declared.
        attributes: of items and whatever else is described.
        vectors: of items, if there are any.
    """

    document: Document
    attributes: AttributeIndex
    vectors: SearchVectors | None


class UserActions:
    """Actions of many users, each user's the newest first.

    Args:
        actions: in any order, with `user_id`, `dropped` and the columns that sequences need; no `user_id` is null.
    """

    def __init__(self, actions: pa.Table, attributes: AttributeIndex) -> None:
        (codes,), self.users = encoded([actions["user_id"]])
        times = integers(actions["event_time"])
        order = newest_first(codes, times, actions["event_id"])
        self.table = actions.take(pa.array(order))
        self.event_time, self.arrival_time = times[order], integers(actions["arrival_time"])[order]
        self.ages = -self.event_time
        self.starts = np.searchsorted(codes[order], np.arange(len(self.users) + 1))
        self.dropped = np.flatnonzero(integers(self.table[DROPPED]))
        self.described = Described(self.event_time, self.arrival_time, self._texts, self._numbers, attributes)

    def _texts(self, name: str) -> Integers:
        return digests_of(self.table[name]) if name in self.table.column_names else np.zeros(self.table.num_rows, np.int64)

    def _numbers(self, name: str) -> Floats:
        return numbers(self.table[name]) if name in self.table.column_names else np.full(self.table.num_rows, np.nan)

    def with_lists(self) -> pa.Table:
        """The actions with the lists of stage tables."""
        return with_lists(self.table, self.described)


def with_lists(actions: pa.Table, described: Described) -> pa.Table:
    """Actions with all lists of stage tables: the category of their days, and nulls for what they have not."""
    source = described.attributes.source_of(CATEGORY)
    if source is not None:
        actions = actions.append_column(CATEGORY, source.strings(CATEGORY, described.versions(CATEGORY)))
    for name in OWN_LISTS:
        column = COLUMN_OF.get(name, name)
        if column not in actions.column_names:
            type_ = STAGE_SCHEMA.field(name).type.value_type
            actions = actions.append_column(column, pa.nulls(actions.num_rows, type_))
    return actions


def computed_stages(inputs: Inputs, actions: pa.Table, requests: pa.Table, portraits: Collection[str] | None = None) -> Iterator[pa.Table]:
    """Stage tables of requests, as many as memory wants.

    Args:
        inputs: what they are computed with.
        actions: of all users that ask, whatever they see of them, as `UserActions` takes them.
        requests: `trace_id`, `user_id`, `as_of`, `candidates` (ids) and the columns of their context.
        portraits: traces whose portrait is written too; None for all.
    """
    return stages_of(inputs, UserActions(actions, inputs.attributes), requests, portraits)


def stages_of(inputs: Inputs, found: UserActions, requests: pa.Table, portraits: Collection[str] | None) -> Iterator[pa.Table]:
    """The same of actions in order."""
    return searched_stages(inputs, found.described, found.with_lists(), _portraits(inputs, found, requests), requests, portraits)


def searched_stages(
    inputs: Inputs,
    described: Described,
    written: pa.Table,
    asked: Iterable[tuple[Asked, Integers]],
    requests: pa.Table,
    portraits: Collection[str] | None,
) -> Iterator[pa.Table]:
    """Stage tables of requests whose portraits are known.

    Args:
        inputs: what they are computed with.
        described: actions.
        written: the same actions with the lists of stage tables.
        asked: each request with its portrait, as places of actions.
        requests: the same requests with their candidates and context.
        portraits: traces whose portrait is written too; None for all.
    """
    document, embedding = inputs.document, inputs.vectors.version if inputs.vectors else None
    prepared = [PreparedSequence(own, described, inputs.vectors) for own in document.sequences]
    candidates = _Candidates(inputs, requests)
    rows, size = StageRows(document, embedding), 0
    for number, (request, places) in enumerate(asked):
        if portraits is None or request.trace_id in portraits:
            rows.add_portrait(request, places)
            size += len(places)
        for sequence, searched in enumerate(prepared):
            general = searched.general(places, request.as_of)
            rows.add_general(request, searched.sequence, general)
            finals = searched.final(general, request.as_of, candidates.codes(sequence, number))
            rows.add_finals(request, searched.sequence, candidates.ids(number), finals)
            size += len(general) + len(finals.rows)
        if size >= PLACES_AT_ONCE:
            yield rows.table(written)
            rows, size = StageRows(document, embedding), 0
    if len(rows):
        yield rows.table(written)


def short_requests(inputs: Inputs, found: UserActions, requests: pa.Table) -> Flags:
    """Which requests see less than they should because something is missing in what was kept, shape (requests,)."""
    short = np.zeros(requests.num_rows, np.bool_)
    users = _users(found, requests)
    markers = np.searchsorted(found.dropped, found.starts)
    places = np.flatnonzero((users >= 0) & (np.diff(markers)[users] > 0)) if len(found.users) else np.zeros(0, np.int64)
    asking = requests.take(pa.array(places))
    for place, user, (request, portrait) in zip(places.tolist(), users[places].tolist(), _portraits(inputs, found, asking), strict=True):
        short[place] = _is_short(inputs, found, user, request.as_of, portrait)
    return short


def _is_short(inputs: Inputs, found: UserActions, user: int, as_of: int, places: Integers) -> bool:
    """Whether a portrait reaches beyond a place below which something is missing that the request could see."""
    first, end = np.searchsorted(found.dropped, found.starts[[user, user + 1]])
    markers = found.dropped[first:end]
    month_starts = found.event_time[markers].astype("datetime64[us]").astype("datetime64[M]")
    window = (as_of // MICROSECONDS_OF_DAY - inputs.document.portrait.days) * MICROSECONDS_OF_DAY
    begins = month_starts.astype("datetime64[us]").astype(np.int64)
    relevant = markers[(begins < as_of) & (found.event_time[markers] >= window)]
    if not len(relevant):
        return False
    return len(places) < inputs.document.portrait.length or bool(places[-1] > relevant[0])


def _portraits(inputs: Inputs, found: UserActions, requests: pa.Table) -> Iterator[tuple[Asked, Integers]]:
    """Each request with its portrait, as places of actions."""
    users = _users(found, requests)
    times = integers(requests["as_of"])
    days = days_of(times)
    versions = {day: inputs.attributes.dictionary_version(day) for day in np.unique(days).tolist()}
    names = zip(requests["trace_id"].to_pylist(), requests["user_id"].to_pylist(), strict=True)
    rows = zip(names, users.tolist(), times.tolist(), days.tolist(), strict=True)
    everything = np.arange(found.table.num_rows)
    for (trace_id, user_id), user, as_of, day in rows:
        own = slice(found.starts[user], found.starts[user + 1]) if user >= 0 else slice(0)
        places = seen(inputs.document.portrait, everything[own], found.ages[own], found.arrival_time, as_of)
        yield Asked(trace_id, user_id, as_of, versions[day]), places


def _users(found: UserActions, requests: pa.Table) -> Integers:
    """The code of the user of each request; -1 where there are no actions of him."""
    places = pc.index_in(requests["user_id"], value_set=found.users, skip_nulls=True)
    return np.asarray(pc.fill_null(places, -1)).astype(np.int64)


class _Candidates:
    """The candidates of all requests, in columns."""

    def __init__(self, inputs: Inputs, requests: pa.Table) -> None:
        column = requests[CANDIDATES].combine_chunks()
        lengths = np.asarray(pc.list_value_length(column)).astype(np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._items: list[str] = column.flatten().to_pylist()
        request_of = np.repeat(np.arange(len(lengths)), lengths)
        days = days_of(integers(requests["as_of"]))[request_of]
        digests: dict[str, Integers] = {ITEM: digests_of(pa.array(self._items, pa.string()))}

        def given(name: str) -> Integers:
            if name not in digests:
                known = name in requests.column_names
                digests[name] = digests_of(requests[name])[request_of] if known else np.zeros(len(request_of), np.int64)
            return digests[name]

        self._codes = [candidate_codes(own, inputs.attributes, given, days) for own in inputs.document.sequences]

    def ids(self, request: int) -> list[str]:
        return self._items[self._offsets[request] : self._offsets[request + 1]]

    def codes(self, sequence: int, request: int) -> Integers:
        return self._codes[sequence][..., self._offsets[request] : self._offsets[request + 1]]
