"""The item-to-item table: the nearest items of each item in its own market, exact, for recall channels and for features of rankers."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.embeddings.vectors import ItemVectors

ROWS_AT_ONCE = 2_048

NEIGHBOURS = pa.schema(
    [
        pa.field("item_id", pa.string()),
        pa.field("neighbour_id", pa.string()),
        pa.field("place", pa.int32()),
        pa.field("similarity", pa.float32()),
        pa.field("market", pa.string()),
        pa.field("version", pa.string()),
    ]
)


def neighbour_batches(found: ItemVectors, markets: pa.Array, neighbours: int) -> Iterator[pa.RecordBatch]:
    """The nearest items of each item within its market, the nearest first (`place` from 1), market after market.

    Args:
        found: the vectors.
        markets: of the items, in the order of the ids; unknown ones are a market of their own.
        neighbours: of an item, at most.
    """
    names = markets.dictionary_encode()
    codes = np.asarray(names.indices.fill_null(-1))
    for market in np.unique(codes):
        rows = np.flatnonzero(codes == market)
        name = None if market < 0 else names.dictionary[int(market)].as_py()
        for first in range(0, len(rows), ROWS_AT_ONCE):
            own = rows[first : first + ROWS_AT_ONCE]
            places, similarities = nearest(found.directions[own], found.directions[rows], min(neighbours, len(rows) - 1), own, rows)
            count = places.shape[1]
            yield pa.RecordBatch.from_arrays(
                [
                    found.ids.take(pa.array(np.repeat(own, count))),
                    found.ids.take(pa.array(places.ravel())),
                    pa.array(np.tile(np.arange(1, count + 1, dtype=np.int32), len(own))),
                    pa.array(similarities.ravel()),
                    pa.array([name] * places.size, pa.string()),
                    pa.array([found.version] * places.size, pa.string()),
                ],
                schema=NEIGHBOURS,
            )


def nearest(
    asked: npt.NDArray[np.float32],
    candidates: npt.NDArray[np.float32],
    count: int,
    own: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The most similar candidates of each of some items but itself.

    Args:
        asked: directions, shape (items, dimensions).
        candidates: directions, shape (candidates, dimensions).
        count: of neighbours.
        own: which rows are asked for, shape (items,).
        rows: which rows the candidates are, in rising order, shape (candidates,).

    Returns:
        Rows and similarities, each of shape (items, count), the nearest first; of equal ones the first row.
    """
    scores = asked @ candidates.T
    scores[np.arange(len(own)), np.searchsorted(rows, own)] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return rows[order], np.take_along_axis(scores, order, axis=1)
