"""Merging: what shares a scan is answered together, nobody waits for a scan far larger than their own, and nobody is left out."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.batch import PeriodRange
from srp_assets.recall.merging import MOST_TASKS, Limits, Reads, merge, reads_of
from srp_assets.warehouse.registry_builds import PeriodKey

PERIODS = [f"2024-{month:02d}" for month in range(1, 7)]
TABLES = [(entity, product) for entity in ("post", "comment") for product in ("aurora", "lotus")]
UNLIMITED = Limits(ratio=1e9, cost=1e18, small_rows=0)

Needs = dict[str, list[PeriodRange]]
Built = dict[PeriodKey, int]


def whole(entity: str, product: str = "aurora", first: str | None = None, last: str | None = None) -> PeriodRange:
    return PeriodRange(entity, product, first, last)


@st.composite
def ranges(draw: st.DrawFn) -> PeriodRange:
    entity, product = draw(st.sampled_from(TABLES))
    first = draw(st.none() | st.sampled_from(PERIODS))
    last = draw(st.none() | st.sampled_from(PERIODS))
    return PeriodRange(entity, product, first, last)


needs_of_tasks = st.lists(st.lists(ranges(), max_size=4), max_size=12).map(
    lambda tasks: {f"t-{number}": needed for number, needed in enumerate(tasks)}
)
built_periods = st.dictionaries(
    st.builds(lambda table, period: PeriodKey(*table, period), st.sampled_from(TABLES), st.sampled_from(PERIODS)),
    st.integers(0, 1000),
    max_size=20,
)
limits_of_merging = st.builds(
    Limits, ratio=st.floats(1, 20), cost=st.integers(1, 20_000).map(float), small_rows=st.sampled_from([0, 10, 500])
)


def cells(needed: list[PeriodRange], built: Built) -> set[PeriodKey]:
    """What a task reads, by the definition: the rows of built periods in any of its ranges."""
    return {key for key, rows in built.items() if rows and any(one.covers(key) for one in needed)}


def rows(keys: set[PeriodKey], built: Built) -> int:
    return sum(built[key] for key in keys)


@given(needs=needs_of_tasks, built=built_periods)
def test_the_pieces_of_a_task_are_the_rows_that_it_reads(needs: Needs, built: Built) -> None:
    reads = reads_of(needs, built)
    for one, other in combinations(needs, 2):
        mine, theirs = cells(needs[one], built), cells(needs[other], built)
        shared = reads.pieces[one] & reads.pieces[other]
        assert sum(reads.rows[piece] for piece in shared) == rows(mine & theirs, built)
    for task_id, needed in needs.items():
        assert sum(reads.rows[piece] for piece in reads.pieces[task_id]) == rows(cells(needed, built), built)


@given(needs=needs_of_tasks, built=built_periods, limits=limits_of_merging)
def test_every_task_is_in_exactly_one_batch_and_the_limits_hold(needs: Needs, built: Built, limits: Limits) -> None:
    batches = merge(reads_of(needs, built), limits)
    assert sorted(task_id for batch in batches for task_id in batch) == sorted(needs)
    order = {task_id: number for number, task_id in enumerate(needs)}
    assert [sorted(batch, key=order.__getitem__) for batch in batches] == batches
    assert sorted(batches, key=lambda batch: order[batch[0]]) == batches
    for batch in batches:
        read = {task_id: cells(needs[task_id], built) for task_id in batch}
        readers = [task_id for task_id in batch if read[task_id]]
        union = rows(set().union(*read.values()), built)
        if readers:
            smallest = min(rows(read[task_id], built) for task_id in readers)
            assert max(union, limits.small_rows) <= limits.ratio * max(smallest, limits.small_rows)
        # A task that reads nothing costs nothing, and one task alone may cost what it will.
        assert len(readers) <= 1 or union * len(readers) <= limits.cost


@given(needs=needs_of_tasks, built=built_periods)
def test_without_limits_batches_are_what_is_connected(needs: Needs, built: Built) -> None:
    read = {task_id: cells(needed, built) for task_id, needed in needs.items()}
    groups = {frozenset(batch) & {task_id for task_id in needs if read[task_id]} for batch in merge(reads_of(needs, built), UNLIMITED)}
    components = {frozenset({task_id}) for task_id in needs if read[task_id]}
    for one, other in combinations(needs, 2):
        if read[one] & read[other]:
            first, second = (next(group for group in components if task_id in group) for task_id in (one, other))
            components = (components - {first, second}) | {first | second}
    assert groups - {frozenset()} == components


@given(needs=needs_of_tasks, built=built_periods, limits=limits_of_merging)
def test_the_same_tasks_are_merged_in_the_same_way(needs: Needs, built: Built, limits: Limits) -> None:
    shuffled = dict(reversed(built.items()))
    assert merge(reads_of(needs, built), limits) == merge(reads_of(needs, shuffled), limits)


def test_a_small_task_does_not_wait_for_a_large_scan() -> None:
    built = {PeriodKey("post", "aurora", period): 10_000_000 for period in PERIODS}
    needs = {"all": [whole("post")], "month": [whole("post", first="2024-01", last="2024-01")], "too": [whole("post")]}
    assert merge(reads_of(needs, built), Limits(ratio=5, cost=1e18)) == [["all", "too"], ["month"]]
    assert merge(reads_of(needs, built), Limits(ratio=6, cost=1e18)) == [["all", "month", "too"]]


def test_scans_that_are_all_small_are_not_told_apart() -> None:
    built = {PeriodKey("post", "aurora", period): 1_000 for period in PERIODS}
    needs = {"all": [whole("post")], "month": [whole("post", first="2024-01", last="2024-01")]}
    assert merge(reads_of(needs, built), Limits(ratio=2, cost=1e18)) == [["all", "month"]]


def test_what_shares_nothing_is_read_apart_and_who_reads_nothing_rides_with_the_smallest() -> None:
    built = {PeriodKey("post", "aurora", "2024-01"): 100, PeriodKey("post", "lotus", "2024-01"): 10}
    needs = {"a": [whole("post")], "none": [whole("user")], "b": [whole("post", "lotus")]}
    assert merge(reads_of(needs, built), UNLIMITED) == [["a"], ["none", "b"]]
    assert merge(reads_of({"x": [], "y": []}, built), UNLIMITED) == [["x", "y"]]
    assert merge(reads_of({}, built), UNLIMITED) == []


def test_a_batch_that_costs_too_much_is_split() -> None:
    built = {PeriodKey("post", "aurora", "2024-01"): 100}
    needs = {f"t-{number}": [whole("post")] for number in range(7)}
    sizes = [len(batch) for batch in merge(reads_of(needs, built), Limits(ratio=10, cost=300))]
    assert sizes == [3, 3, 1]
    assert [len(batch) for batch in merge(reads_of(needs, built), Limits(ratio=10, cost=1))] == [1] * 7


@pytest.mark.parametrize("tasks", [MOST_TASKS, MOST_TASKS + 1])
def test_a_batch_has_no_more_tasks_than_a_statement_can_name(tasks: int) -> None:
    pieces = {f"t-{number}": frozenset({"all"}) for number in range(tasks)}
    batches = merge(Reads(pieces, {"all": 1}), UNLIMITED)
    assert max(map(len, batches)) <= MOST_TASKS
    assert sum(map(len, batches)) == tasks
