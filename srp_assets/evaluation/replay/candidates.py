"""What the online side could have shown: the candidates of each place of a request, with the probabilities of the policy that chose.

The landed log of what was served has a row for each candidate, and says for each place that it was a candidate for how likely the policy
was to show it there. The stitched impressions say what was shown and what came of it. A place counts if both agree: what was shown is among
its candidates, their probabilities add up to 1, and the impression's own propensity, where it has one, is the same. Others are counted and
left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandas.util import hash_array

from srp_assets.evaluation.arrays import Codes, Floats, Keys, Places
from srp_assets.logs.registry import LandedFiles
from srp_assets.warehouse.storage import Storage

IDENTITY = ("event_id", "landed_at", "event_time", "trace_id", "item_id", "definition_version", "propensities")

NUMBER = "number"
"""The column that numbers the rows of all files, in the order in which they are read."""

AGREE = 1e-6
"""How far two probabilities that say the same may be apart."""

BATCH_ROWS = 16_384
"""Served rows that are read at once with all their features."""


@dataclass(frozen=True)
class Candidates:
    """The shown places of some requests with the candidates for each. A *slot* is a candidate for a place.

    Args:
        request_key: what identifies each request everywhere, shape (requests,).
        request: number of each place's request, ascending, shape (places,).
        position: place on the page, shape (places,).
        reward: what came of what was shown, shape (places,).
        shown: the slot that was shown, shape (places,).
        place: number of each slot's place, ascending, shape (slots,).
        row: number of each slot's row in the served log, shape (slots,).
        chance: the logging policy's probability of each slot, shape (slots,).
        left_out: shown places of these requests that the served log does not explain.
    """

    request_key: Keys
    request: Codes
    position: Places
    reward: Floats
    shown: Places
    place: Codes
    row: Places
    chance: Floats
    left_out: int

    @property
    def places(self) -> int:
        """How many places there are."""
        return len(self.request)

    @property
    def left_out_share(self) -> float:
        """How many of all shown places are left out."""
        return self.left_out / max(1, self.left_out + self.places)


def served_candidates(storage: Storage, files: Sequence[LandedFiles], versions: Sequence[str]) -> pa.Table:
    """The rows of the served log that count, without what was served: of two answers to a request the later one.

    Args:
        storage: of the logs.
        files: of the served log, by day.
        versions: of the definitions whose values may be replayed.
    """
    parts, first = [], 0
    for path in _paths(files):
        with pq.ParquetFile(storage.path(path), filesystem=storage.filesystem) as file:
            table = file.read(columns=[name for name in IDENTITY if name in file.schema_arrow.names])
        if "propensities" not in table.column_names:  # landed before the log had them
            table = table.append_column("propensities", pa.nulls(table.num_rows, pa.map_(pa.string(), pa.float64())))
        parts.append(table.append_column(NUMBER, pa.array(np.arange(first, first + table.num_rows))))
        first += table.num_rows
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in ("trace_id", "item_id")})
    rows = pa.concat_tables(parts)
    rows = rows.filter(pc.is_in(rows["definition_version"], value_set=pa.array(versions, pa.string())))
    withdrawn = [storage.read(path, ["event_id", "landed_at"]) for own in files for path in own.withdrawals]
    if withdrawn:
        # Arrow's joins carry no maps along.
        keys = rows.select(["event_id", "landed_at", NUMBER])
        kept = keys.join(pa.concat_tables(withdrawn), ["event_id", "landed_at"], join_type="left anti")
        rows = rows.filter(pc.is_in(rows[NUMBER], value_set=kept[NUMBER]))
    rows = rows.filter(pc.is_valid(rows["propensities"]))
    rows = rows.take(pc.sort_indices(rows, [(name, "ascending") for name in ("trace_id", "item_id", "event_time", "event_id")]))
    if rows.num_rows < 2:
        return rows
    later, earlier = rows.slice(1), rows.slice(0, rows.num_rows - 1)
    same = pc.and_(pc.equal(later["trace_id"], earlier["trace_id"]), pc.equal(later["item_id"], earlier["item_id"]))
    return rows.filter(pa.chunked_array([*pc.invert(same).chunks, pa.array([True])]))


def candidates_of(served: pa.Table, shown: pa.Table, reward: str, most_requests: int) -> Candidates | None:
    """Brings candidates and impressions together; None if no place is explained.

    Args:
        served: of `served_candidates`.
        shown: impressions with `trace_id`, `item_id`, `position`, `propensity` and the reward.
        reward: a label or an amount; rows in which it is null do not count.
        most_requests: more than these are sampled, by a digest of their ids.
    """
    shown = shown.filter(pc.and_(pc.is_valid(shown[reward]), pc.is_in(shown["trace_id"], value_set=pc.unique(served["trace_id"]))))
    if not shown.num_rows:
        return None
    shown = _sampled(shown, most_requests).sort_by([(name, "ascending") for name in ("trace_id", "position", "item_id")])
    traces = pc.unique(shown["trace_id"])
    slots = _slots(served.filter(pc.is_in(served["trace_id"], value_set=traces)), traces)
    trace, position = pc.index_in(shown["trace_id"], traces).to_numpy().astype(np.int64), shown["position"].to_numpy().astype(np.int64)
    width = 1 + max(int(position.max()), int(slots.position.max(initial=0)))
    of_slot = slots.trace * width + slots.position
    by_place = np.lexsort((slots.row, of_slot))
    of_slot = of_slot[by_place]
    begins, ends = (np.searchsorted(of_slot, trace * width + position, side=side) for side in ("left", "right"))
    sizes = ends - begins
    place = np.repeat(np.arange(len(sizes)), sizes)
    slot = by_place[np.repeat(begins - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())]
    items = pc.unique(pa.concat_arrays([shown["item_id"].combine_chunks(), slots.item.combine_chunks()]))
    of_shown, of_slots = (pc.index_in(column, items).to_numpy() for column in (shown["item_id"], slots.item))
    is_shown = of_slots[slot] == of_shown[place]
    chance = slots.chance[slot]
    logged = pc.fill_null(shown["propensity"], float("nan")).to_numpy()
    told = np.bincount(place[is_shown], chance[is_shown], len(sizes))
    explained = np.bincount(place[is_shown], minlength=len(sizes)) == 1
    explained &= np.abs(np.bincount(place, chance, len(sizes)) - 1) <= AGREE
    explained &= (told > 0) & (np.isnan(logged) | (np.abs(told - logged) <= AGREE))
    if not explained.any():
        return None
    kept = explained[place]
    number = np.cumsum(explained) - 1
    used, request = np.unique(trace[explained], return_inverse=True)
    return Candidates(
        request_key=_keys(traces.take(pa.array(used))),
        request=request.astype(np.int32),
        position=position[explained],
        reward=shown[reward].cast(pa.float64()).to_numpy()[explained],
        shown=np.flatnonzero(is_shown[kept]),
        place=number[place[kept]].astype(np.int32),
        row=slots.row[slot[kept]],
        chance=chance[kept],
        left_out=int((~explained).sum()),
    )


def served_batches(
    storage: Storage, files: Sequence[LandedFiles], columns: Sequence[str], rows: Places
) -> Iterator[tuple[Places, pa.Table]]:
    """Some rows of the served log with some of their columns, a batch at a time, each with the numbers of its rows.

    Args:
        storage: of the logs.
        files: as `served_candidates` was given them.
        columns: of the log.
        rows: their numbers.
    """
    wanted, first = np.unique(rows), 0
    for path in _paths(files):
        with pq.ParquetFile(storage.path(path), filesystem=storage.filesystem) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                own = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, first + batch.num_rows)]
                if len(own):
                    yield own, pa.Table.from_batches([batch]).take(pa.array(own - first))
                first += batch.num_rows


@dataclass(frozen=True)
class _Slots:
    """Candidates by place: number of the request among those that were asked for, place, row, chance, all of shape (slots,); the item."""

    trace: Places
    position: Places
    row: Places
    chance: Floats
    item: pa.ChunkedArray


def _slots(served: pa.Table, traces: pa.ChunkedArray | pa.Array) -> _Slots:
    column = served["propensities"].combine_chunks()
    maps = column if isinstance(column, pa.MapArray) else pa.concat_arrays(column.chunks)
    offsets = maps.offsets.to_numpy()
    row = np.repeat(np.arange(served.num_rows), np.diff(offsets))
    inside = slice(int(offsets[0]), int(offsets[-1]))
    return _Slots(
        trace=pc.index_in(served["trace_id"], traces).to_numpy().astype(np.int64)[row],
        position=maps.keys[inside].cast(pa.int64()).to_numpy(),
        row=served[NUMBER].to_numpy()[row],
        chance=pc.fill_null(maps.items[inside], 0.0).to_numpy(zero_copy_only=False),
        item=served["item_id"].take(pa.array(row)),
    )


def _sampled(shown: pa.Table, most_requests: int) -> pa.Table:
    traces = pc.unique(shown["trace_id"])
    if len(traces) <= most_requests:
        return shown
    chosen = np.argsort(_keys(traces), kind="stable")[:most_requests]
    return shown.filter(pc.is_in(shown["trace_id"], value_set=traces.take(pa.array(np.sort(chosen)))))


def _keys(traces: pa.ChunkedArray | pa.Array) -> Keys:
    return np.array(hash_array(traces.to_numpy(zero_copy_only=False), categorize=False), np.uint64)


def _paths(files: Sequence[LandedFiles]) -> list[str]:
    return [path for own in files for path in own.rows]
