"""What the tasks of a build of stages do: requests in, files of stages out (`plan_stages.py` says who does what)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.vectors import read_vectors
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.building.files import VersionFiles, open_files, read_versions
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import days_of
from srp_assets.sequences.building.actions import DROPPED, ActionFiles, with_dropped
from srp_assets.sequences.building.columns import USER
from srp_assets.sequences.building.computing import Inputs, UserActions, short_requests, stages_of
from srp_assets.sequences.building.logged import stages_of_portraits
from srp_assets.sequences.building.missing import Piece, counted, parts_of, requests_in
from srp_assets.sequences.building.plan_months import path_of
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.served import is_logged
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.warehouse.part_files import PartFiles, write_parts
from srp_assets.warehouse.storage import Storage

Manifests = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Handed:
    """What was handed on: files of requests, files of actions, and the schema of these."""

    requests: Sequence[str]
    actions: Sequence[str]
    schema: pa.Schema


@dataclass(frozen=True)
class Job:
    """What a task computes with; it travels to executors.

    Args:
        document: what is declared.
        definitions: of the features beside it.
        versions: of the rows that attributes are taken from.
        storage: of what is kept, and of the result.
        months: folders of what is kept.
        folder: where the result goes.
        buckets: of what is kept.
        split_rows: requests that one task computes at once.
        vectors: storage and file of the vectors of items, if there are any.
        portraits: whether the portraits are written of the traces that the declaration says.
        logged: files of served stages; the requests whose portraits stand in them begin from these.
    """

    document: Document
    definitions: Definitions
    versions: Mapping[str, VersionFiles]
    storage: Storage
    months: Sequence[str]
    folder: str
    buckets: int
    split_rows: int
    vectors: tuple[Storage, str] | None = None
    portraits: bool = True
    logged: Sequence[str] = ()

    @property
    def scratch(self) -> str:
        """Where what tasks hand on lies."""
        return f"{self.folder}/scratch"

    def inputs(self) -> Inputs:
        """What is read once for a task."""
        names = [name for source in self.definitions.attributes.values() for name in source.columns]
        attributes = AttributeIndex(self.definitions, read_versions(self.definitions, self.versions, names))
        return Inputs(self.document, attributes, SearchVectors(read_vectors(*self.vectors)) if self.vectors else None)

    def actions(self, bucket: int, users: pa.Array) -> pa.Table | None:
        """What is kept of some users of a bucket; None where nothing is."""
        paths = [path for path in (path_of(month, bucket) for month in self.months) if self.storage.exists(path)]
        if not paths:
            return None
        return open_files(self.storage, paths).to_table(filter=pc.field(USER).isin(users))

    def logged_portraits(self, traces: pa.Array) -> pa.Table:
        """The portraits that were logged of some traces."""
        wanted = (pc.field("stage") == "portrait") & pc.field("trace_id").isin(traces)
        return open_files(self.storage, self.logged, STAGE_SCHEMA).to_table(filter=wanted) if self.logged else STAGE_SCHEMA.empty_table()

    def of_bucket(self, inputs: Inputs, bucket: int, requests: pa.Table, name: str) -> Manifests:
        """Writes the stages of requests of a bucket; those for which too little is kept are handed on.

        Args:
            inputs: what they are computed with.
            bucket: of their users.
            requests: as `computed_stages` takes them.
            name: of the files.
        """
        for number, part in enumerate(self._splits(requests, [USER, "as_of"])):
            kept = self.actions(bucket, pc.unique(part[USER]))
            found = UserActions(no_actions() if kept is None else kept, inputs.attributes)
            portraits = self.logged_portraits(part["trace_id"].combine_chunks())
            has_portrait = pc.is_in(part["trace_id"], value_set=portraits["trace_id"].combine_chunks())
            short = pc.and_(pa.array(short_requests(inputs, found, part)), pc.invert(has_portrait))
            if pc.any(short).as_py():
                path = f"{self.scratch}/requests/{uuid4().hex}.parquet"
                self.storage.write(path, part.filter(short))
                yield {"short": path}
            exact = pc.invert(short)
            yield from self._written(inputs, found, part.filter(exact), portraits, f"{name}-{number}")

    def count(self, actions: ActionFiles, users: str) -> Manifests:
        """Counts the actions of some users in some files."""
        path = f"{self.scratch}/counts/{uuid4().hex}.parquet"
        rows = actions.read(self._users(users))
        if rows.num_rows:
            self.storage.write(path, counted(rows, self.document.portrait))
            yield {"path": path}

    def hand_on(self, actions: ActionFiles, users: str, pieces: Sequence[Piece]) -> Manifests:
        """Hands the actions of some files on to the tasks whose pieces need them."""
        rows, tasks = parts_of(with_dropped(actions.read(self._users(users))), pieces)
        path = f"{self.scratch}/actions/{uuid4().hex}.arrow"
        if write_parts(self.storage, path, rows, tasks):
            yield {"path": path}

    def of_pieces(self, pieces: Sequence[Piece], handed: Handed) -> Manifests:
        """Writes the stages of the requests of a task, from raw actions."""
        inputs, task = self.inputs(), pieces[0].task
        users = pa.array(sorted({piece.user for piece in pieces}))
        asked = open_files(self.storage, handed.requests).to_table(filter=pc.field(USER).isin(users))
        with PartFiles(self.storage, handed.actions, handed.schema.append(pa.field(DROPPED, pa.int64()))) as files:
            found = UserActions(files.read(task), inputs.attributes)
        for number, part in enumerate(self._splits(requests_in(asked, pieces), ["as_of"])):
            yield from self._written(inputs, found, part, STAGE_SCHEMA.empty_table(), f"raw-{task}-{number}")

    def _users(self, path: str) -> pa.Array:
        return self.storage.read(path)[USER].combine_chunks()

    def _splits(self, requests: pa.Table, order: Sequence[str]) -> Iterator[pa.Table]:
        ordered = requests.sort_by([(name, "ascending") for name in order])
        for start in range(0, ordered.num_rows, self.split_rows):
            yield ordered.slice(start, self.split_rows)

    def _written(self, inputs: Inputs, found: UserActions, requests: pa.Table, portraits: pa.Table, name: str) -> Manifests:
        """The stages of some requests, in files of a day each, and how many requests each day has."""
        ordered = requests.sort_by([("as_of", "ascending")])
        has_portrait = pc.is_in(ordered["trace_id"], value_set=portraits["trace_id"].combine_chunks())
        begun, computed = ordered.filter(has_portrait), ordered.filter(pc.invert(has_portrait))
        traces = {trace for trace in computed["trace_id"].to_pylist() if self.portraits and is_logged(self.document.portrait, trace)}
        tables = chain(stages_of(inputs, found, computed, traces), stages_of_portraits(inputs, portraits, begun))
        for number, (day, rows) in enumerate(of_day for table in tables for of_day in _by_day(table)):
            path = f"{self.folder}/day={day}/{name}-{number}.parquet"
            yield {"day": day, "path": path, "rows": rows.num_rows, "bytes": self.storage.write(path, rows)}
        for which, asked in (("requests", ordered), ("logged", begun)):
            yield from ({"day": day, which: rows.num_rows} for day, rows in _by_day(asked))


def _by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Rows in the order of `as_of`, cut where a day ends."""
    days = days_of(integers(rows["as_of"]))
    borders = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, end in zip(borders, borders[1:], strict=False):
        if end > start:
            yield str(np.datetime64(int(days[start]), "D")), rows.slice(start, end - start)


def no_actions() -> pa.Table:
    """What is kept of users who did nothing."""
    time = pa.timestamp("us", tz="UTC")
    types = {USER: pa.string(), "event_id": pa.string(), "event_time": time, "arrival_time": time, DROPPED: pa.int64(), "kind": pa.string()}
    return pa.table({name: pa.array([], type_) for name, type_ in types.items()})
