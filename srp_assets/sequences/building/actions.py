"""Built actions as sequences read them, and the newest of each user among them: files and arrays, what the tasks of plans do."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import ARROW_TYPES, Integers, encoded, integers
from srp_assets.features.building.files import open_files
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.building.columns import USER, kept_columns
from srp_assets.sequences.declaration import Document
from srp_assets.warehouse.storage import Storage

DROPPED = "dropped"
"""How many older actions of the same user and month were left out below this one; 0 for nearly all."""


@dataclass(frozen=True)
class ActionFiles:
    """Files of built actions, of some days.

    Args:
        storage: of the logs.
        paths: of the files.
        schema: of what is read of them.
    """

    storage: Storage
    paths: tuple[str, ...]
    schema: pa.Schema

    def read(self, users: pa.Array | None = None) -> pa.Table:
        """The actions of all users, or of some; one without a time of arrival arrived when it happened, one of nobody is left out."""
        # A set with a null in it would find those of nobody.
        wanted = pc.field(USER).is_valid() if users is None else pc.field(USER).isin(users.drop_null())
        rows = open_files(self.storage, self.paths).to_table(columns=self.schema.names, filter=wanted).cast(self.schema)
        arrived = pc.coalesce(rows["arrival_time"], rows["event_time"])
        return rows.set_column(self.schema.get_field_index("arrival_time"), "arrival_time", arrived)

    def split(self, pieces: int) -> list["ActionFiles"]:
        """The files in so many pieces of about one size, or in fewer: neighbours stay together."""
        ends = np.cumsum(self.storage.sizes(self.paths))
        piece = np.minimum(ends * pieces // (ends[-1] + 1), pieces - 1) if len(ends) else ends
        places = [np.flatnonzero(piece == number).tolist() for number in np.unique(piece)]
        return [ActionFiles(self.storage, tuple(self.paths[place] for place in own), self.schema) for own in places]


def kept_schema(document: Document, definitions: Definitions) -> pa.Schema:
    """The columns of actions that are kept of months, with their types."""
    types: dict[str, ValueType] = {**definitions.event_columns, "event_id": "text", "kind": "text", "arrival_time": "time"}
    return pa.schema([pa.field(name, ARROW_TYPES[types[name]]) for name in kept_columns(document, definitions)])


def newest(actions: pa.Table, keep: int) -> pa.Table:
    """The newest actions of each user; the oldest that is kept of a user who has more says how many are left out.

    What this leaves out of parts may be left out of the whole: the newest of all are among the newest of each part, and what was left out
    of parts is counted on.

    Args:
        actions: in any order, with `dropped`.
        keep: how many of each user.
    """
    (codes,), users = encoded([actions[USER]])
    counts = np.bincount(codes, minlength=len(users))
    has_more = (counts > keep)[codes]
    if not has_more.any():
        return actions
    dropped = integers(actions[DROPPED]).copy()
    left_out = np.bincount(codes, dropped, minlength=len(users)).astype(np.int64) + counts - keep
    rows = np.flatnonzero(has_more)
    rows = rows[newest_first(codes[rows], integers(actions["event_time"])[rows], actions["event_id"].take(pa.array(rows)))]
    place = np.arange(len(rows)) - np.searchsorted(codes[rows], codes[rows])
    dropped[rows] = 0
    oldest = rows[place == keep - 1]
    dropped[oldest] = left_out[codes[oldest]]
    kept = np.concatenate([np.flatnonzero(~has_more), rows[place < keep]])
    return actions.set_column(actions.schema.get_field_index(DROPPED), DROPPED, pa.array(dropped)).take(pa.array(kept))


def newest_first(users: Integers, times: Integers, ids: pa.ChunkedArray) -> Integers:
    """The order of actions by user, and the newest first; ids are read only where times tie.

    Args:
        users: codes, shape (rows,).
        times: microseconds, shape (rows,).
        ids: texts, shape (rows,).
    """
    order = np.lexsort((-times, users))
    ties = np.flatnonzero((np.diff(times[order]) == 0) & (np.diff(users[order]) == 0))
    if len(ties):
        tied = np.unique(np.concatenate([order[ties], order[ties + 1]]))
        rank = np.zeros(len(times), np.int64)
        names = ids.take(pa.array(tied)).to_pylist()
        for place, number in enumerate(sorted(range(len(tied)), key=names.__getitem__)):
            rank[tied[number]] = place
        order = np.lexsort((-rank, -times, users))
    return np.asarray(order)


def with_dropped(actions: pa.Table) -> pa.Table:
    """Actions of which none is left out below any other."""
    return actions.append_column(DROPPED, pa.array(np.zeros(actions.num_rows, np.int64)))
