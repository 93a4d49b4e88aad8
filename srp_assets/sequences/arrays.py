"""Final sequences as models read them: aligned arrays of one length with a mask, in the columns that the declaration names."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import Flags, Integers, integers
from srp_assets.sequences.declaration import Sequence

MASK, TIME_GAP = "mask", "time_gap"
MICROSECONDS_OF_SECOND = 1_000_000


def fixed_arrays(sequence: Sequence, stages: pa.Table) -> pa.Table:
    """The final rows of a sequence: `trace_id`, `candidate_id`, each declared column as a list of `final.length`, and `mask`.

    What is not filled is null and false in the mask; it stands at the end, or at the start where the sequence is padded there. In both
    cases the newest action comes before older ones.

    Args:
        sequence: its declaration.
        stages: a stage table; rows of other stages and sequences are left out.
    """
    own = stages.filter(pc.and_(pc.equal(stages["stage"], "final"), pc.equal(stages["sequence"], sequence.name)))
    keys = {name: own[name].combine_chunks() for name in ("trace_id", "candidate_id")}
    return pa.table({**keys, **fixed_columns(sequence, own)})


def lists_of(sequence: Sequence) -> tuple[str, ...]:
    """The lists of a stage table that the arrays of a sequence are made of, its times among them."""
    return tuple(dict.fromkeys(["event_time", *(name for name in sequence.columns if name != TIME_GAP)]))


def fixed_columns(sequence: Sequence, rows: pa.Table) -> dict[str, pa.FixedSizeListArray]:
    """Each declared column of final rows as a list of `final.length`, and `mask`.

    Args:
        sequence: its declaration.
        rows: with `as_of` and the lists that `lists_of` names; where these are null, nothing is filled.
    """
    length = sequence.final.length
    sizes = np.asarray(pc.fill_null(pc.list_value_length(rows["event_time"]), 0)).astype(np.int64)
    places, mask = _places(sizes, length, from_start=sequence.padding == "start")
    columns: dict[str, pa.FixedSizeListArray] = {}
    for name in sequence.columns:
        taken = _values(rows, name, sizes).take(pa.array(places.ravel(), mask=~mask.ravel()))
        columns[name] = pa.FixedSizeListArray.from_arrays(taken, length)
    columns[MASK] = pa.FixedSizeListArray.from_arrays(pa.array(mask.ravel()), length)
    return columns


def _places(sizes: Integers, length: int, *, from_start: bool) -> tuple[Integers, Flags]:
    """Where each value lies among all that are flat, and which there are; both of shape (rows, length)."""
    column = np.arange(length)
    shift = (length - sizes)[:, None] if from_start else 0
    inside = column - shift
    mask = (inside >= 0) & (inside < sizes[:, None])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
    return np.where(mask, starts[:, None] + inside, 0), mask


def _values(rows: pa.Table, name: str, sizes: Integers) -> pa.Array:
    """A column of all actions, one after the other."""
    if name == TIME_GAP:
        return _time_gap(rows, sizes)
    flat = pc.list_flatten(rows[name])
    return flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat


def _time_gap(rows: pa.Table, sizes: Integers) -> pa.Array:
    """Seconds from each action to its request."""
    filled = sizes > 0
    asked = np.repeat(integers(rows["as_of"].filter(pa.array(filled))), sizes[filled])
    return pa.array((asked - integers(pc.list_flatten(rows["event_time"]))) / MICROSECONDS_OF_SECOND)
