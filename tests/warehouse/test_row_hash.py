"""The hash of a column of rows is the hash of each row, and tells apart whatever differs."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.warehouse.catalogue import Column, Entity
from srp_assets.warehouse.row_hash import halves_of, hexadecimal, row_hash, row_hashes
from srp_assets.warehouse.schema import entity_schema

ENTITY = Entity(
    description="one column of each type",
    key=("number",),
    bucket_key="number",
    publish_time="moment",
    columns={
        "number": Column(kind="id", type="int64", description="n"),
        "share": Column(kind="metric", type="float64", description="s"),
        "text": Column(kind="text", description="t"),
        "other": Column(kind="text", description="o"),
        "moment": Column(kind="time", description="m"),
        "flag": Column(kind="flag", description="f"),
        "tags": Column(kind="array", description="a"),
        "names": Column(kind="map", description="a map of texts"),
        "scores": Column(kind="map", type="map<string,float64>", description="a map of numbers"),
    },
)
TEXTS = st.text(alphabet="ab:北\U0001f44d\0", max_size=4)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.just(-0.0)
ROWS = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | NUMBERS,
        "text": st.none() | TEXTS,
        "other": st.none() | TEXTS,
        "moment": st.none() | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),
        "flag": st.none() | st.booleans(),
        "tags": st.none() | st.lists(TEXTS, max_size=3),
        "names": st.none() | st.dictionaries(TEXTS, st.none() | TEXTS, max_size=3),
        "scores": st.none() | st.dictionaries(TEXTS, st.none() | NUMBERS, max_size=3),
    }
)


def as_columns(rows):
    table = pa.Table.from_pylist(
        [{name: sorted(value.items()) if isinstance(value, dict) else value for name, value in row.items()} for row in rows],
        entity_schema(ENTITY),
    )
    return {name: table.column(name).combine_chunks() for name in table.column_names}


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_columns_hash_as_rows_do(rows):
    assert hexadecimal(row_hashes(ENTITY, as_columns(rows))).to_pylist() == [row_hash(ENTITY, row) for row in rows]


@given(st.lists(ROWS, min_size=2, max_size=8), st.integers(1, 7))
def test_a_slice_hashes_as_its_rows_do(rows, start):
    columns = {name: array.slice(start) for name, array in as_columns(rows).items()}
    assert hexadecimal(row_hashes(ENTITY, columns)).to_pylist() == [row_hash(ENTITY, row) for row in rows[start:]]


@given(ROWS, ROWS)
def test_rows_that_differ_hash_differently(left, right):
    assert (row_hash(ENTITY, left) == row_hash(ENTITY, right)) == (left == right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"text": None}, {"text": ""}),
        ({"tags": None}, {"tags": []}),
        ({"tags": []}, {"tags": [""]}),
        ({"text": "ab", "other": ""}, {"text": "a", "other": "b"}),
        ({"tags": ["a", "b"]}, {"tags": ["ab"]}),
        ({"names": {"a": None}}, {"names": {"a": ""}}),
        ({"number": None}, {"number": 0}),
    ],
)
def test_null_is_not_empty_and_seams_count(left, right):
    assert row_hash(ENTITY, left) != row_hash(ENTITY, right)


def test_hexadecimal_orders_as_the_halves_do():
    halves = np.array([[2**63, 1], [1, 2**63], [1, 5]], np.uint64)
    texts = hexadecimal(halves)
    assert halves_of(texts).tolist() == halves.tolist()
    assert sorted(texts.to_pylist()) == [texts[2].as_py(), texts[1].as_py(), texts[0].as_py()]
