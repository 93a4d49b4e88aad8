"""Whether served scalar features stood still: what a counter said when it was last brought up to date, and not what it says now.

One cut-off is sought for all rows of a feature: of an entity, the newest row before it tells what was known then, and the rows after it
whose value has changed since are held to that. Something may have happened between that row and the cut-off, which nobody asked about: once
a cut-off is accepted, what an entity was served again and again after it counts as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.online.parity.comparing import same_numbers
from srp_assets.sequences.differences.coding import Integers

Flags = npt.NDArray[np.bool_]

UNKNOWN = -1
FIRST_TRIED, SPREAD_TRIED = 20, 30
"""Cut-offs that are tried: right before the first rows that differ, and before some of all others."""


class AskedRows:
    """When the rows of pairs were asked for, and for which entities.

    Args:
        requests: `trace_id`, `event_time` and the context; a trace that stands twice counts by its first time.
    """

    def __init__(self, requests: pa.Table) -> None:
        ordered = requests.sort_by([("event_time", "descending")])
        self._place: Mapping[str, int] = {trace: place for place, trace in enumerate(ordered["trace_id"].to_pylist())}
        self._times = np.asarray(ordered["event_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))
        self._columns = {name: ordered[name].to_pylist() for name in ordered.column_names if pa.types.is_string(ordered[name].type)}

    def of(self, events: Sequence[str], keys: Sequence[str]) -> tuple[Integers, Integers]:
        """The time of each row in microseconds, and a number for each entity; `UNKNOWN` where the requests do not say whose it is.

        Args:
            events: ids of rows, which are those of the request and the item with a slash between.
            keys: columns that name the entity: of the request, or `item_id`.
        """
        times, codes = np.zeros(len(events), np.int64), np.full(len(events), UNKNOWN)
        if any(key != "item_id" and key not in self._columns for key in keys):
            return times, codes
        entities: dict[tuple[Any, ...], int] = {}
        for row, event in enumerate(events):
            trace, _, item = event.rpartition("/")
            place = self._place.get(trace)
            if place is None:
                continue
            entity = tuple(item if key == "item_id" else self._columns[key][place] for key in keys)
            if None not in entity:
                times[row], codes[row] = self._times[place], entities.setdefault(entity, len(entities))
        return times, codes


def stale_rows(times: Integers, entities: Integers, served: Any, offline: Any, differs: Flags, share: float) -> Flags:
    """Which rows were served what their entity had at the cut-off that explains most; none where no cut-off explains enough of them.

    Args:
        times: when each row was asked for, shape (rows,).
        entities: a number for each, `UNKNOWN` where nobody knows.
        served: values as numbers, or codes of texts.
        offline: the same of the other side.
        differs: whether the two differ.
        share: of the rows that a cut-off is tested by, those that it must make equal.
    """
    found, best = np.zeros(len(times), bool), 1
    known = entities >= 0
    order = np.lexsort((times, entities))
    for cut in _cuts(times[differs & known]):
        before = order[(times[order] < cut) & known[order]]
        newest = np.full(int(entities.max(initial=UNKNOWN)) + 1, UNKNOWN)
        # Of an entity's rows the last one stays: they come in the order of time.
        newest[entities[before]] = before
        place = np.where(known, newest[entities], UNKNOWN)
        tested = known & (times >= cut) & (place >= 0)
        then = np.where(tested, offline[place], np.nan)
        tested &= ~same_numbers(then, offline)
        equal = tested & differs & same_numbers(then, served)
        if equal.sum() > best and equal.sum() >= share * tested.sum():
            found, best = equal | (differs & _kept(entities, served, known & (times >= cut))), int(equal.sum())
    return found


def _kept(entities: Integers, served: Any, after: Flags) -> Flags:
    """Which of some rows have a value that at least two, and half of the rows of their entity were served."""
    rows = np.flatnonzero(after)
    _, value = np.unique(served[rows], return_inverse=True)
    pairs, place, counts = np.unique(np.stack([entities[rows], value]), axis=1, return_inverse=True, return_counts=True)
    of_entity = np.bincount(pairs[0], weights=counts)
    kept = (counts >= 2) & (counts >= of_entity[pairs[0]] / 2)
    found = np.zeros(len(after), bool)
    found[rows] = kept[place.ravel()]
    return found


def _cuts(times: Integers) -> list[int]:
    known = np.unique(times)
    spread = np.linspace(0, len(known) - 1, SPREAD_TRIED).round().astype(int) if len(known) else np.zeros(0, int)
    return sorted({*known[:FIRST_TRIED].tolist(), *known[spread].tolist()})
