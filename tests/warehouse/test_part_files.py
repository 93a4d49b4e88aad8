"""Rows that meet by part: what is written by any tasks is read by the task of the part, once."""

from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.warehouse.part_files import NOWHERE, PartFiles, part_numbers, write_parts
from srp_assets.warehouse.storage import Storage

SCHEMA = pa.schema([("text", pa.string()), ("number", pa.int64())])

rows = st.lists(st.tuples(st.one_of(st.none(), st.text(max_size=3)), st.integers(0, 9), st.integers(NOWHERE, 4)), max_size=30)


@given(files=st.lists(rows, max_size=3))
def test_every_part_has_its_rows_in_their_order(files: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = Storage(str(tmp_path_factory.mktemp("exchange")))
    paths = [f"scratch/{number}.arrow" for number in range(len(files))]
    for path, drawn in zip(paths, files, strict=True):
        table = pa.table([[text for text, _, _ in drawn], [number for _, number, _ in drawn]], schema=SCHEMA)
        written = write_parts(storage, path, table, np.array([part for _, _, part in drawn], np.int64))
        assert written == sum(part != NOWHERE for _, _, part in drawn)
    with PartFiles(storage, paths, SCHEMA) as opened:
        for part in range(6):
            expected = [{"text": text, "number": number} for drawn in files for text, number, of_part in drawn if of_part == part]
            assert opened.read(part).to_pylist() == expected


@given(texts=st.lists(st.one_of(st.none(), st.text(max_size=4)), max_size=20), count=st.integers(1, 7), cut=st.integers(1, 5))
def test_equal_texts_have_one_number_wherever_they_are(texts: list[str | None], count: int, cut: int) -> None:
    chunks = pa.chunked_array([texts[start : start + cut] for start in range(0, len(texts), cut)], type=pa.string())
    expected = [0 if text is None else crc32(text.encode()) % count for text in texts]
    assert part_numbers(chunks, count).tolist() == expected
