"""Kept cases: read back in order, from one file or from several."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall import cases as module
from srp_assets.recall.cases import CASE_SCHEMA, case_batches, key_order, read_cases
from srp_assets.warehouse.storage import Storage


def kept(task_id: str, product: str, number: int) -> dict[str, Any]:
    key = (number,)
    return {
        "task_id": task_id,
        "product": product,
        "object": "post",
        "id": str(number),
        "key_order": key_order(key),
        "root": str(number),
        "hits": [],
        "texts": [],
        "extra": "{}",
        "joined": [],
        "facts": "{}",
    }


@given(
    numbers=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["aurora", "borealis"]), st.integers(-5, 40)), unique=True),
    pieces=st.integers(1, 4),
    at_once=st.integers(1, 7),
    data=st.data(),
)
def test_cases_in_several_files_are_read_in_one_order(
    tmp_path_factory: Any, numbers: list[tuple[str, str, int]], pieces: int, at_once: int, data: st.DataObject
) -> None:
    storage = Storage(str(tmp_path_factory.mktemp("cases")))
    rows = sorted((kept(*number) for number in numbers), key=lambda case: (case["task_id"], case["product"], case["key_order"]))
    of_piece = [data.draw(st.integers(0, pieces - 1)) for _ in rows]
    for piece in range(pieces):
        mine = [row for row, place in zip(rows, of_piece, strict=True) if place == piece]
        storage.write(f"cases/group-0/cases-{piece}.parquet", pa.Table.from_pylist(mine, schema=CASE_SCHEMA))
    before, module.AT_ONCE = module.AT_ONCE, at_once
    try:
        for task_id in ("a", "b"):
            expected = [(row["product"], row["id"]) for row in rows if row["task_id"] == task_id]
            assert [(case["product"], case["id"]) for case in read_cases(storage, "cases", task_id)] == expected
            assert all(batch.num_rows <= pieces * at_once for batch in case_batches(storage, "cases", task_id))
    finally:
        module.AT_ONCE = before
