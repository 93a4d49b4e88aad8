"""Counting whole columns against counting case by case, on generated cases, in pieces of any size."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.insights import reference
from srp_assets.insights.statistics.case_files import CaseSource, count_order, tallied
from srp_assets.insights.statistics.overlaps import KeyedTask, Overlap, mask_names, masks, overlaps
from srp_assets.insights.statistics.tallies import Tallies
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.storage import Storage
from support.kept_cases import kept_cases, kept_table

CATALOGUES = [load_catalogue(PROJECT_ROOT / "examples" / name / "catalogue.yaml") for name in ("sample", "shop")]


def added_up(batches: Iterable[pa.RecordBatch]) -> dict[str, dict[str, dict[tuple[str, ...], tuple[int, int]]]]:
    """Tallies by task and statistic; those of parts are added."""
    found: dict[str, dict[str, dict[tuple[str, ...], tuple[int, int]]]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            counts = found.setdefault(row["task_id"], {}).setdefault(row["statistic"], {})
            before = counts.get(tuple(row["key"]), (0, 0))
            counts[tuple(row["key"])] = (before[0] + row["cases"], before[1] + row["hits"])
    return found


def by_reference(catalogue: Catalogue, cases: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """What the reference counts, without what it does not find."""
    found = {task_id: reference.tallies(catalogue, of_task) for task_id, of_task in cases.items()}
    return {
        task_id: {statistic: counts for statistic, counts in of_task.items() if counts}
        for task_id, of_task in found.items()
        if of_task["all"]
    }


@given(data=st.data())
def test_counts_are_those_of_the_reference_whatever_the_pieces(data: st.DataObject) -> None:
    catalogue = data.draw(st.sampled_from(CATALOGUES))
    cases = data.draw(kept_cases(catalogue))
    table = kept_table(cases).combine_chunks()
    tallies = Tallies(catalogue)
    for batch in table.to_batches(max_chunksize=data.draw(st.sampled_from([3, 17, 1000]))):
        tallies.add(batch)
    assert added_up(tallies.handed_on()) == by_reference(catalogue, cases)
    assert list(tallies.handed_on()) == []


def test_files_are_counted_in_units_and_only_for_the_tasks_that_lie_there(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = CATALOGUES[0]
    cases = {"t-1": [_case(number) for number in range(50)], "t-2": [_case(number) for number in range(7)]}
    storage.write("cases/b/group-0/part-1.parquet", kept_table(cases).drop_columns(["facts"]), row_group_rows=10)
    storage.write("cases/b/group-0/_temporary/part-1.parquet", kept_table(cases))
    monkeypatch.setattr("srp_assets.insights.statistics.case_files.UNIT_ROWS", 25)
    order = count_order(storage, catalogue, [CaseSource("cases/b", ("t-1",)), CaseSource("cases/none", ("t-2",))])
    assert [(unit.row_groups, unit.rows) for unit in order.units] == [((0, 1, 2), 30), ((3, 4, 5), 27)]
    found = added_up(batch for slot in range(len(order.slots)) for batch in tallied(storage, order, slot))
    assert list(found) == ["t-1"]
    assert found["t-1"]["all"] == {(): (50, 50)}
    assert found["t-1"]["period"] == {(): (50, 50)}
    assert "metric" not in found["t-1"]


def test_a_case_of_very_many_words_is_left_out_of_pairs_and_counted() -> None:
    words = [f"word {number}" for number in range(reference.MOST_PAIRED_WORDS)]
    crowded = _case(1) | {"hits": [_hit(word) for word in [*words, "one more"]]}
    full = _case(2) | {"hits": [_hit(word) for word in words]}
    tallies = Tallies(CATALOGUES[0])
    for batch in kept_table({"t-1": [crowded, full]}).to_batches():
        tallies.add(batch)
    found = added_up(tallies.handed_on())["t-1"]
    assert found["unpaired"] == {(): (1, len(words) + 1)}
    assert set(found["word_pair"].values()) == {(1, 0)}
    assert len(found["word_pair"]) == len(words) * (len(words) - 1) // 2


def _hit(word: str) -> dict[str, str]:
    return {"object": "post", "feature": "title", "list": "one", "word": word}


def _case(number: int) -> dict[str, Any]:
    return {"product": "aurora", "object": "post", "id": str(number), "hits": [_hit("a")], "facts": {}}


@given(sets=st.lists(st.frozensets(st.integers(0, 129)), max_size=12), tasks=st.sampled_from([1, 64, 65, 130]))
def test_overlaps_count_the_rows_that_two_tasks_have_in_common(sets: list[frozenset[int]], tasks: int) -> None:
    held = [{bit for bit in found if bit < tasks} for found in sets]
    rows = [dict(zip(mask_names(tasks), _together(bits, tasks), strict=True)) | {"rows": place + 1} for place, bits in enumerate(held)]
    schema = pa.schema([*((name, pa.int64()) for name in mask_names(tasks)), ("rows", pa.int64())])
    keyed = [KeyedTask(f"t-{bit}", "post") for bit in range(tasks)]
    expected = {
        (first, second): sum(place + 1 for place, bits in enumerate(held) if {first, second} <= bits)
        for first in range(tasks)
        for second in range(first + 1, tasks)
    }
    assert overlaps(pa.Table.from_pylist(rows, schema=schema), keyed) == [
        Overlap(f"t-{first}", f"t-{second}", count) for (first, second), count in expected.items() if count
    ]


def _together(bits: Iterable[int], tasks: int) -> list[int]:
    words = [0] * len(mask_names(tasks))
    for bit in bits:
        words = [word | own for word, own in zip(words, masks(bit, tasks), strict=True)]
    return words
