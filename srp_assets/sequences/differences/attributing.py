"""From two stage tables to the alternatives of each trace that differs: what is read, what is tried, and on which traces.

A chunk of traces is a call: its vocabulary and its part of the log are its own, so memory is bounded and chunks may come from anywhere.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.differences.coding import Vocabulary, coded_lists, texts_of
from srp_assets.sequences.differences.comparing import LABELS, Comparison, compared_stages
from srp_assets.sequences.differences.explaining import Alternative, explain, reproduces
from srp_assets.sequences.differences.hypotheses.base import Case
from srp_assets.sequences.differences.hypotheses.catalogue import HYPOTHESES
from srp_assets.sequences.differences.repeating import Repeats, repeats_of
from srp_assets.sequences.differences.replaying import Asked, Key
from srp_assets.sequences.differences.world import World, coded_actions, coded_attributes, with_category
from srp_assets.sequences.stages import STAGES

MOST_EXPLAINED = 2_000
"""Differing traces of a chunk that hypotheses are tried on unless another number is asked for; which, their hash decides."""

FINALS_TRIED = 2
"""Differing candidates of a sequence on which hypotheses of a trace are tried, and one equal candidate beside them."""

Vectors = Mapping[str, ItemVectors]

Contexts = Mapping[str, Mapping[str, Any]]
"""What is known of requests, by trace."""


@dataclass(frozen=True)
class Background:
    """What hypotheses may look at.

    Args:
        document: the declaration.
        definitions: of features: which attributes there are.
        actions: of `logs/actions`, the future of the requests included; or what reads those of some users, and of some events.
        versions: of the rows that attributes are taken from, by source.
        vectors: of items, by version.
        requests: `trace_id` and the context of each request; None where no search asks for it.
    """

    document: Document
    definitions: Definitions
    actions: pa.Table | Callable[[pa.Array, pa.Array], pa.Table]
    versions: Mapping[str, pa.Table] = field(default_factory=dict)
    vectors: Vectors = field(default_factory=dict)
    requests: pa.Table | None = None


@dataclass(frozen=True)
class Difference:
    """A trace that differs.

    Args:
        trace_id: whose.
        user_id: who asked.
        as_of: microseconds since 1970.
        stage: the first that differs.
        sequence: of that stage; null for the portrait.
        columns: that differ in that stage, lists and labels.
        versions: what the online side said of the versions that it used, by label.
        context: of the request, where it is known.
        alternatives: what makes it equal, the cheapest first.
        missing: `trace_missing_online` or `trace_missing_offline` where one side has nothing, or not all rows.
        tried: whether hypotheses were tried on it.
        reproduced: whether the offline side could be made again, without which none can be believed.
        overlap: of what was served with what is computed, in that stage.
    """

    trace_id: str
    user_id: str | None
    as_of: int
    stage: str
    sequence: str | None
    columns: tuple[str, ...]
    versions: Mapping[str, str | None]
    context: Mapping[str, Any]
    alternatives: tuple[Alternative, ...]
    missing: str | None = None
    tried: bool = True
    reproduced: bool = True
    overlap: float = 1.0


@dataclass(frozen=True)
class Compared:
    """What a chunk has.

    Args:
        traces: of either side.
        repeats: how much of the sequences is the same, by stage.
        differences: the traces that differ.
    """

    traces: int
    repeats: Mapping[str, Repeats]
    differences: tuple[Difference, ...]


def compare(served: pa.Table, offline: pa.Table, background: Background, most: int = MOST_EXPLAINED) -> Compared:
    """Compares the stage tables of a chunk of traces and finds what may explain its differences.

    Args:
        served: what the online side logged.
        offline: the same requests made again.
        background: what hypotheses may look at.
        most: how many differing traces are tried; those that were served something from after their request always are.
    """
    comparison = compared_stages(served, offline)
    rows = TraceRows(served, offline, comparison)
    differing = rows.differing_traces()
    missing = {trace: found for trace, found in ((trace, rows.missing(trace)) for trace in differing) if found is not None}
    tried = _to_try([trace for trace in differing if trace not in missing], rows.leaking(), most)
    contexts = _contexts(background.requests, differing)
    cases = CaseMaker(rows, background, tried, contexts).cases() if tried else {}
    found: list[Difference] = []
    for trace in differing:
        alternatives, reproduced = [], True
        if trace in cases:
            case, is_reproduced = cases[trace]
            reproduced = is_reproduced
            alternatives = explain(case, HYPOTHESES) if is_reproduced else []
        is_tried, context = trace in tried or trace in missing, contexts.get(trace, {})
        found.append(rows.difference(trace, tuple(alternatives), missing.get(trace), is_tried, reproduced, context))
    return Compared(rows.traces, repeats_of(served, offline, comparison), tuple(found))


def _to_try(traces: Sequence[str], leaking: set[str], most: int) -> set[str]:
    chosen = sorted(traces, key=digest_of)[:most]
    return set(chosen) | (leaking & set(traces))


class TraceRows:
    """The rows of both sides by trace."""

    def __init__(self, served: pa.Table, offline: pa.Table, comparison: Comparison) -> None:
        self.served, self.offline, self.comparison = served, offline, comparison
        self._codes, self._names = self._coded("trace_id")
        self.traces = len(self._names)
        self._stages, stage_names = self._coded("stage")
        self._stage_rank = np.array([STAGES.index(name) for name in stage_names] or [0])[self._stages]
        self._order = np.argsort(self._codes, kind="stable")
        self._starts = np.searchsorted(self._codes[self._order], np.arange(self.traces + 1))
        self._place = {name: place for place, name in enumerate(self._names)}

    def _coded(self, name: str) -> tuple[Any, list[str]]:
        """The code of a key column for each row of the comparison, and the values."""
        sides = [table[name].combine_chunks() for table in (self.served, self.offline)]
        both = pa.chunked_array(sides).combine_chunks().dictionary_encode()
        codes = np.asarray(both.indices)
        size = self.served.num_rows
        rows = np.where(self.comparison.served >= 0, self.comparison.served, size + self.comparison.offline)
        return codes[rows], both.dictionary.to_pylist()

    def of(self, trace: str) -> Any:
        """The rows of a trace in the comparison, by stage."""
        place = self._place[trace]
        rows = self._order[self._starts[place] : self._starts[place + 1]]
        return rows[np.argsort(self._stage_rank[rows], kind="stable")]

    def differing_traces(self) -> list[str]:
        """In order."""
        return sorted(self._names[code] for code in np.unique(self._codes[self.comparison.differs]).tolist())

    def missing(self, trace: str) -> str | None:
        """Which side lacks rows of a trace, if the other rows are equal."""
        rows = self.of(trace)
        one_sided = self.comparison.one_sided[rows]
        if not one_sided.any() or self.comparison.differs[rows][~one_sided].any():
            return None
        return "trace_missing_online" if (self.comparison.served[rows] < 0).any() else "trace_missing_offline"

    def leaking(self) -> set[str]:
        """Traces that were served an action that happened or arrived at or after their time."""
        places = self.comparison.served[self.comparison.differs & (self.comparison.served >= 0)]
        served = self.served.select(["trace_id", "as_of", "event_time", "arrival_time"]).take(pa.array(places)).combine_chunks()
        lengths = np.asarray(pc.list_value_length(served["event_time"]))
        as_of = np.repeat(np.asarray(served["as_of"].cast(pa.int64())), lengths)
        late = np.zeros(len(as_of), bool)
        for name in ("event_time", "arrival_time"):
            late |= np.asarray(pc.fill_null(pc.list_flatten(served[name]).cast(pa.int64()), -1)) >= as_of
        rows = np.unique(np.repeat(np.arange(len(lengths)), lengths)[late])
        return set(served["trace_id"].take(pa.array(rows)).to_pylist())

    def value(self, row: int, name: str, side: str = "served") -> Any:
        """A value of a row, of the other side where the wanted one has no such row."""
        sides = {"served": (self.served, self.comparison.served), "offline": (self.offline, self.comparison.offline)}
        table, places = sides[side]
        if places[row] < 0:
            table, places = sides["offline" if side == "served" else "served"]
        value = table[name][int(places[row])]
        return value.value if pa.types.is_timestamp(table[name].type) else value.as_py()

    def difference(
        self,
        trace: str,
        alternatives: tuple[Alternative, ...],
        missing: str | None,
        tried: bool,
        reproduced: bool,
        context: Mapping[str, Any],
    ) -> Difference:
        """What is said of a trace."""
        rows = self.of(trace)
        first = int(rows[self.comparison.differs[rows]][0])
        columns = tuple(name for name, flags in self.comparison.columns.items() if flags[first])
        overlap = 0.0
        if not self.comparison.one_sided[first]:
            own, other = (set(self.value(first, "event_id", side)) for side in ("served", "offline"))
            overlap = len(own & other) / max(len(own), len(other), 1)
        return Difference(
            trace_id=trace,
            user_id=self.value(first, "user_id"),
            as_of=self.value(first, "as_of"),
            stage=self.value(first, "stage"),
            sequence=self.value(first, "sequence"),
            columns=columns,
            versions={name: self.value(first, name) for name in LABELS if name.endswith("_version")},
            context=context,
            alternatives=alternatives,
            missing=missing,
            tried=tried,
            reproduced=reproduced,
            overlap=overlap,
        )


def _contexts(requests: pa.Table | None, traces: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The context of some requests, by trace; of a trace that the log has twice the last row."""
    if requests is None:
        return {}
    own = requests.filter(pc.is_in(requests["trace_id"], pa.array(traces, pa.string()))).to_pylist()
    return {row["trace_id"]: {name: value for name, value in row.items() if name != "trace_id"} for row in own}


class CaseMaker:
    """Makes cases of some traces: everything in numbers, by one vocabulary."""

    def __init__(self, rows: TraceRows, background: Background, traces: set[str], contexts: Contexts) -> None:
        self._rows, self._background, self._traces, self._contexts = rows, background, sorted(traces), contexts
        self._chosen = {trace: self._rows_of(trace) for trace in self._traces}
        chosen = np.concatenate([np.array(own, np.int64) for own in self._chosen.values()])
        comparison = rows.comparison
        self._place = {row: place for place, row in enumerate(chosen.tolist())}
        self._served = rows.served.take(pa.array(comparison.served[chosen]))
        self._offline = rows.offline.take(pa.array(comparison.offline[chosen]))
        actions = self._of_users(background.actions)
        vocabulary = Vocabulary.of(self._texts(actions))
        coded, users = coded_actions(actions, vocabulary)
        attributes = tuple(
            coded_attributes(background.versions[name], source.key, {own: of.column for own, of in source.columns.items()}, vocabulary)
            for name, source in background.definitions.attributes.items()
            if source.key == "item_id" and name in background.versions
        )
        self._world = World(
            document=background.document,
            vocabulary=vocabulary,
            actions=with_category(coded, attributes),
            users=users,
            attributes=attributes,
            vectors={version: _coded_vectors(found, vocabulary) for version, found in background.vectors.items()},
        )
        self._served_lists, self._offline_lists = coded_lists(self._served, vocabulary), coded_lists(self._offline, vocabulary)
        self._headers = [
            table.select([*LABELS, "sequence", "stage", "candidate_id", "snapshot_day"]).to_pylist()
            for table in (self._served, self._offline)
        ]

    def _of_users(self, actions: pa.Table | Callable[[pa.Array, pa.Array], pa.Table]) -> pa.Table:
        """The actions of the users that are asked for, and of those whose actions were served to them."""
        users = pc.unique(pa.chunked_array([*self._served["user_id"].chunks, *self._offline["user_id"].chunks])).drop_null()
        served = pc.unique(pc.list_flatten(self._served["event_id"].combine_chunks()))
        return actions(users, served) if callable(actions) else actions_of(actions, users, served)

    def _rows_of(self, trace: str) -> list[int]:
        """The rows that are tried: of the final ones some that differ, and one that does not."""
        comparison = self._rows.comparison
        chosen: list[int] = []
        differing: dict[str, int] = defaultdict(int)
        equal: dict[str, int] = defaultdict(int)
        for row in self._rows.of(trace).tolist():
            if comparison.one_sided[row]:
                continue
            if self._rows.value(row, "stage") != "final":
                chosen.append(row)
                continue
            counted, most = (differing, FINALS_TRIED) if comparison.differs[row] else (equal, 1)
            sequence = self._rows.value(row, "sequence")
            if counted[sequence] < most:
                counted[sequence] += 1
                chosen.append(row)
        return chosen

    def _texts(self, actions: pa.Table) -> list[Any]:
        background = self._background
        found = [
            *texts_of(self._served),
            *texts_of(self._offline),
            self._served["candidate_id"],
            self._served["user_id"],
            self._offline["user_id"],
        ]
        found += [actions[name] for name in actions.column_names if pa.types.is_string(actions[name].type)]
        for name, source in background.definitions.attributes.items():
            if source.key == "item_id" and name in background.versions:
                versions = background.versions[name]
                columns = {source.key, *(column.column for column in source.columns.values())}
                found += [versions[column] for column in sorted(columns) if pa.types.is_string(versions[column].type)]
        if background.requests is not None:
            found += [column for column in background.requests.columns if pa.types.is_string(column.type)]
        for sequence in background.document.sequences:
            general = sequence.general
            named = [own.values for own in (*general.where, *general.items)] + [own.values for own in general.order]
            found += [pa.array(values, pa.string()) for values in named if values]
        return found

    def cases(self) -> dict[str, tuple[Case, bool]]:
        """Each trace's case, and whether its offline side can be made again."""
        return {trace: self._case(trace) for trace in self._traces if self._chosen[trace]}

    def _case(self, trace: str) -> tuple[Case, bool]:
        world, vocabulary = self._world, self._world.vocabulary
        served, offline, labels = {}, {}, {}
        keys: list[Key] = []
        snapshot_day, vectors = None, None
        place = 0
        for row in self._chosen[trace]:
            place = self._place[row]
            own, other = self._headers[0][place], self._headers[1][place]
            key = (own["sequence"], own["stage"], vocabulary.code(own["candidate_id"]))
            keys.append(key)
            served[key], offline[key] = self._served_lists.row(place), self._offline_lists.row(place)
            labels[key] = {name: (own[name], other[name]) for name in LABELS if own[name] != other[name]}
            snapshot_day = own["snapshot_day"] or snapshot_day
            vectors = other["embedding_version"] or vectors
        context: dict[str, Any] = {
            name: vocabulary.code(value) for name, value in self._contexts.get(trace, {}).items() if isinstance(value, str)
        }
        context["embedding_version"] = vectors
        as_of = self._offline["as_of"][place].value
        asked = Asked(vocabulary.code(self._headers[1][place]["user_id"]), as_of, tuple(keys), context)
        day = None if snapshot_day is None else snapshot_day.toordinal() - 719_163
        case = Case(trace, world, asked, served, labels, day)
        return case, reproduces(case, offline)


def _coded_vectors(found: ItemVectors, vocabulary: Vocabulary) -> tuple[Any, Any]:
    """The place of each code in the matrix, and the matrix."""
    places = np.full(len(vocabulary.texts), -1, np.int64)
    codes = vocabulary.codes(found.ids)
    places[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    return places, found.vectors


def actions_of(actions: pa.Table, users: pa.Array, events: pa.Array) -> pa.Table:
    """The actions of some users, and of the users who own some events."""
    own = pc.is_in(actions["user_id"], users)
    foreign = actions.filter(pc.and_(pc.is_in(actions["event_id"], events), pc.invert(own)))
    owners = pc.unique(foreign["user_id"]).drop_null()
    return actions.filter(pc.or_(own, pc.is_in(actions["user_id"], owners)))
