"""Which of the tasks that are ready are answered together: those that share a scan. Pure functions, no framework.

A merged scan reads each file once for all of its tasks, so tasks whose reads overlap belong together and tasks that share nothing do not.
Two limits keep a batch fair: no task waits for a scan that is far larger than its own, and no batch costs so much that a crash loses
hours. A task over several products stays whole: the scan reads the files of each product once, for the tasks that are active there alone,
so parts would gain nothing and had to be put together again.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from srp_assets.recall.batch import PeriodRange
from srp_assets.warehouse.registry_builds import PeriodKey

SMALL_SCAN_ROWS = 1_000_000
"""A scan of fewer rows counts as one of so many where sizes are compared: it takes a second or two, less than the start of its run."""

MOST_TASKS = 10_000
"""In a batch: the registry names all of them in one statement, and SQLite takes 32,766 values in one."""


@dataclass(frozen=True)
class Reads:
    """What tasks read, in pieces that are read by the same tasks: the pieces of each task, and the rows of each piece."""

    pieces: Mapping[str, frozenset[Hashable]]
    rows: Mapping[Hashable, int]


@dataclass(frozen=True)
class Limits:
    """How far merging goes.

    Args:
        ratio: a batch reads at most so many times the rows that each of its tasks reads.
        cost: rows that a batch reads times its tasks, at most; one task alone may cost more.
        small_rows: scans of fewer rows are not told apart by `ratio`.
    """

    ratio: float
    cost: float
    small_rows: int = SMALL_SCAN_ROWS


def reads_of(needs: Mapping[str, Sequence[PeriodRange]], built: Mapping[PeriodKey, int]) -> Reads:
    """Cuts what tasks need into pieces: for each (entity, product) the built periods between two ends of somebody's range.

    Args:
        needs: the ranges of each task, by id.
        built: the rows of every current build.
    """
    periods: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for key, count in sorted(built.items()):
        if count:
            periods.setdefault((key.entity, key.product), []).append((key.period, count))
    names = {table: [period for period, _ in found] for table, found in periods.items()}
    spans = {
        task_id: [(table, *_span(needed, names[table])) for needed in ranges if (table := (needed.entity, needed.product)) in names]
        for task_id, ranges in needs.items()
    }
    cuts: dict[tuple[str, str], set[int]] = {table: set() for table in names}
    for found in spans.values():
        for table, start, end in found:
            cuts[table] |= {start, end}
    ends = {table: sorted(found) for table, found in cuts.items()}
    rows: dict[Hashable, int] = {}
    for table, places in ends.items():
        sums = [0, *accumulate(count for _, count in periods[table])]
        rows |= {(table, start): sums[end] - sums[start] for start, end in pairwise(places)}
    known: dict[tuple[object, ...], frozenset[Hashable]] = {}
    pieces: dict[str, frozenset[Hashable]] = {}
    for task_id, found in spans.items():
        # Most tasks read the same: their sets are one object, which `merge` relies on to be quick.
        question = tuple(found)
        if question not in known:
            known[question] = frozenset((table, place) for table, start, end in found for place in ends[table] if start <= place < end)
        pieces[task_id] = known[question]
    return Reads(pieces, rows)


def merge(reads: Reads, limits: Limits) -> list[list[str]]:
    """Groups tasks into batches; every task is in exactly one.

    Tasks keep their order within a batch, and batches are in the order of their first tasks. Tasks that read nothing add nothing to a
    scan: they ride with the batch that reads least.
    """
    place = {task_id: number for number, task_id in enumerate(reads.pieces)}
    alike: dict[frozenset[Hashable], list[str]] = {}
    for task_id, pieces in reads.pieces.items():
        alike.setdefault(pieces, []).append(task_id)
    idle = alike.pop(frozenset(), [])
    groups: list[tuple[int, list[str]]] = []
    for component in _components(list(alike)):
        for profiles in _of_similar_size(component, reads.rows, limits):
            rows = _rows(frozenset().union(*profiles), reads.rows)
            tasks = sorted((task_id for pieces in profiles for task_id in alike[pieces]), key=place.__getitem__)
            groups += [(rows, part) for part in _of_bounded_cost(tasks, rows, limits.cost)]
    groups.sort(key=lambda group: place[group[1][0]])
    if idle:
        smallest = min(groups, key=lambda group: group[0], default=None)
        if smallest is None or len(smallest[1]) + len(idle) > MOST_TASKS:
            groups += [(0, part) for part in _of_bounded_cost(idle, 0, limits.cost)]
        else:
            smallest[1].extend(idle)
            smallest[1].sort(key=place.__getitem__)
    return sorted((tasks for _, tasks in groups), key=lambda tasks: place[tasks[0]])


def _span(needed: PeriodRange, periods: Sequence[str]) -> tuple[int, int]:
    start = 0 if needed.first is None else bisect_left(periods, needed.first)
    end = len(periods) if needed.last is None else bisect_right(periods, needed.last)
    return start, max(start, end)


def _rows(pieces: Iterable[Hashable], rows: Mapping[Hashable, int]) -> int:
    return sum(rows[piece] for piece in pieces)


def _components(profiles: Sequence[frozenset[Hashable]]) -> list[list[frozenset[Hashable]]]:
    """Sets that are connected by common pieces, in the order in which each component is first met."""
    parent = list(range(len(profiles)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    reader: dict[Hashable, int] = {}
    for number, pieces in enumerate(profiles):
        for piece in pieces:
            first = root(reader.setdefault(piece, number))
            parent[max(first, root(number))] = min(first, root(number))
    components: dict[int, list[frozenset[Hashable]]] = {}
    for number, pieces in enumerate(profiles):
        components.setdefault(root(number), []).append(pieces)
    return list(components.values())


def _of_similar_size(
    profiles: Sequence[frozenset[Hashable]], rows: Mapping[Hashable, int], limits: Limits
) -> list[list[frozenset[Hashable]]]:
    """Cuts a component where what is read together would be far more than the smallest of it reads alone: from small to large."""
    sized = sorted(((_rows(pieces, rows), pieces) for pieces in profiles), key=lambda entry: entry[0])
    found: list[list[frozenset[Hashable]]] = []
    read: frozenset[Hashable] = frozenset()
    most = 0.0
    for count, pieces in sized:
        together = read | pieces
        if found and max(_rows(together, rows), limits.small_rows) <= most:
            found[-1].append(pieces)
            read = together
        else:
            found.append([pieces])
            read, most = pieces, limits.ratio * max(count, limits.small_rows)
    return found


def _of_bounded_cost(tasks: Sequence[str], rows: int, cost: float) -> list[list[str]]:
    """Cuts tasks that read so many rows together into parts of about the same size, each within the cost."""
    most = min(MOST_TASKS, max(1, int(cost // max(1, rows))))
    parts = -(-len(tasks) // most)
    size = -(-len(tasks) // parts)
    return [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
