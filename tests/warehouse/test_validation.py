"""Typing whole columns gives what typing row by row gives, whatever kinds of values come, and however Arrow holds them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.warehouse.catalogue import Catalogue, Column
from srp_assets.warehouse.columns import typed_column
from srp_assets.warehouse.periods import UNKNOWN
from srp_assets.warehouse.readers.base import RawBatch
from srp_assets.warehouse.reference import typed_row
from srp_assets.warehouse.validation import NO_PERIOD, period_text, validate
from srp_assets.warehouse.values import typed_value

LANDED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SPECS = {
    "int64": {"kind": "metric"},
    "float64": {"kind": "metric", "type": "float64"},
    "string": {"kind": "text"},
    "timestamp": {"kind": "time", "formats": ("%m/%d/%y %H:%M", "%d.%m.%Y")},
    "bool": {"kind": "flag"},
    "list<string>": {"kind": "array"},
    "map<string,string>": {"kind": "map"},
    "map<string,float64>": {"kind": "map", "type": "map<string,float64>"},
}
COLUMNS = {name: Column(description="a column", **spec) for name, spec in SPECS.items()}

NUMBER_TEXTS = [
    "0",
    "-7",
    "+5",
    "007",
    " 8 ",
    "0x10",
    "1_0",
    "1.5",
    ".5",
    "1e3",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "9" * 19,
    str(2**63 - 1),
    "٣",
]
TIME_TEXTS = [
    "2024-02-29", "2024-02-30", "2024-01-01 10:20", "2024-01-01T10:20:30.5", "2024-01-01T10:20:30.123456789", "2024-01-01T10:20:30Z",
    "2024-01-01T10:20:30+05:30", "20240101", "2024-W01-1", "12/1/10 8:26", "31.12.2023", "13/13/13 1:1", "0001-01-01T00:00:00+05:00",
    "0000-01-01", "soon",
]  # fmt: skip
TEXTS = ["", "a", "北京", "\0", "\ud800", "true", "FALSE", "1", "no", "[]", '["a", null]', '["a", 1]', '{"b": 1, "a": 2.5}', '{"a": null}']
TEXTS.append("[" * 5000)
SCALARS = st.one_of(
    st.sampled_from([*NUMBER_TEXTS, *TIME_TEXTS, *TEXTS]),
    st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400, True, False, b"bytes", b"\xff"]),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 12346.0, 1e300, 2.0**63, float("nan"), float("inf")]),
    st.sampled_from([datetime(2024, 1, 1, 10, 20), datetime(2024, 1, 1, tzinfo=UTC), date(2024, 2, 29)]),
)
ENTRIES = SCALARS | st.none()
NESTED = st.lists(ENTRIES, max_size=2) | st.dictionaries(st.sampled_from(["b", "a", "", "\ud800"]), ENTRIES, max_size=2)
VALUES = st.none() | SCALARS | NESTED


def expected_values(column, values):
    typed, wrong = [], []
    for value in values:
        try:
            typed.append(typed_value(column, value))
            wrong.append(False)
        except ValueError:
            typed.append(None)
            wrong.append(True)
    return typed, wrong


def same_as_one_by_one(column, raw, values):
    array, wrong = typed_column(column, [raw], len(values))
    expected, expected_wrong = expected_values(column, values)
    found = array.to_pylist(maps_as_pydicts="strict") if pa.types.is_map(array.type) else array.to_pylist()
    assert found == expected
    assert [list(value) for value in found if isinstance(value, dict)] == [sorted(value) for value in expected if isinstance(value, dict)]
    assert (np.zeros(len(values), bool) if wrong is None else wrong).tolist() == expected_wrong


@pytest.mark.parametrize("type_", COLUMNS)
@given(values=st.lists(VALUES, max_size=6))
def test_mixed_values(type_, values):
    same_as_one_by_one(COLUMNS[type_], values, values)


@pytest.mark.parametrize("type_", COLUMNS)
@pytest.mark.parametrize("pool", [NUMBER_TEXTS, TIME_TEXTS, [text for text in TEXTS if text != "\ud800"]], ids=["number", "time", "text"])
@given(chosen=st.data())
def test_columns_of_text(type_, pool, chosen):
    values = chosen.draw(st.lists(st.none() | st.sampled_from(pool), min_size=1, max_size=3))
    for arrow_type in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        same_as_one_by_one(COLUMNS[type_], pa.array(values, arrow_type), values)


ARRAYS = {
    "int8": pa.array([1, None, -3, 0], pa.int8()),
    "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
    "uint64 that fits": pa.array([1, 0], pa.uint64()),
    "float32": pa.array([1.0, None, 0.5], pa.float32()),
    "whole floats": pa.array([12346.0, -0.0, float("nan"), None]),
    "great floats": pa.array([1e300, 2.0]),
    "infinite": pa.array([float("inf"), 2.0]),
    "flags": pa.array([True, None, False]),
    "naive times": pa.array([datetime(2024, 1, 1, 10), None]),
    "zoned times": pa.array([datetime(2024, 1, 1, 10, tzinfo=UTC)], pa.timestamp("ms", "Europe/Berlin")),
    "days": pa.array([date(2024, 2, 29), None]),
    "lists": pa.array([["a", "b"], [], None]),
    "lists with nulls": pa.array([["a", None], ["b"]]),
    "lists of numbers": pa.array([[1, 2], None]),
    "nothing": pa.nulls(3),
    "bytes": pa.array([b"ab", b"\xff", None]),
}


@pytest.mark.parametrize("type_", COLUMNS)
@pytest.mark.parametrize("name", ARRAYS)
def test_columns_of_arrow_types(type_, name):
    for array in (ARRAYS[name], ARRAYS[name].slice(1)):
        same_as_one_by_one(COLUMNS[type_], array, array.to_pylist())


@pytest.mark.parametrize("type_", ["map<string,string>", "map<string,float64>", "string", "list<string>"])
@pytest.mark.parametrize("item_type", [pa.string(), pa.float64(), pa.int32()])
def test_columns_of_maps(type_, item_type):
    values = {pa.string(): ["x", None], pa.float64(): [0.5, None], pa.int32(): [1, 2]}[item_type]
    for maps in ([[("a", values[0]), ("b", values[1])], None, []], [[("b", values[0]), ("a", values[0])], [("c", values[0])]]):
        array = pa.array(maps, pa.map_(pa.string(), item_type))
        for part in (array, array.slice(1)):
            same_as_one_by_one(COLUMNS[type_], part, part.to_pylist())


def test_decimals_are_numbers():
    array, wrong = typed_column(COLUMNS["float64"], [pa.array([Decimal("1.25"), None])], 2)
    assert array.to_pylist() == [1.25, None]
    assert wrong is None


def test_text_that_is_not_utf8_is_wrong_for_its_row_alone():
    broken = pa.array([b"good", b"\xff", None]).view(pa.string())
    array, wrong = typed_column(COLUMNS["string"], [broken], 3)
    assert array.to_pylist() == ["good", None, None]
    assert wrong.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("type_", "value", "typed"),
    [
        ("string", 12346.0, "12346"),
        ("string", 5, "5"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("int64", "12346", 12346),
        ("int64", 12346.0, 12346),
        ("float64", "nan", None),
        ("timestamp", "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", "2024-01-01T02:00:00+02:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", "12/1/10 8:26", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("bool", "True", True),
        ("bool", 0, False),
        ("list<string>", '["a", 1]', ["a", "1"]),
        ("map<string,float64>", '{"b": 1, "a": "2.5"}', {"a": 2.5, "b": 1.0}),
    ],
)
def test_values_that_are_accepted(type_, value, typed):
    assert typed_value(COLUMNS[type_], value) == typed


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int64", True),
        ("int64", 1.5),
        ("int64", "1e3"),
        ("int64", 2**63),
        ("float64", "1_000"),
        ("float64", float("inf")),
        ("string", ["a"]),
        ("string", "\ud800"),
        ("timestamp", 1700000000),
        ("timestamp", "2024-02-30"),
        ("bool", "yes"),
        ("bool", 2),
        ("list<string>", ["a", None]),
        ("list<string>", "a"),
        ("map<string,string>", "{"),
        ("map<string,float64>", {"a": "much"}),
    ],
)
def test_values_that_are_refused(type_, value):
    with pytest.raises(ValueError):  # noqa: PT011 - every reason is one: the row is rejected as "wrong type"
        typed_value(COLUMNS[type_], value)


RAW_POSTS = st.fixed_dictionaries(
    {},
    optional={
        "post_id": st.sampled_from([1, "2", None, "x"]),
        "Id": st.sampled_from([3, None, "y"]),
        "title": st.sampled_from(["a", None, ["a"]]),
        "level": st.sampled_from(["low", "middle", None, 3]),
        "hidden": st.sampled_from([True, "no", None]),
        "created_at": st.sampled_from(
            ["2024-01-01", "2023-12-31T23:59:59", "2026-01-02", "2026-01-02T00:00:01", "28/02/2024 13:30", "never", None]
        ),
        "updated_at": st.sampled_from(["1999-01-01", "2026-01-02", "2026-01-03", None, "never"]),
    },
)
RAW_COMMENTS = st.fixed_dictionaries(
    {},
    optional={
        "comment_id": st.sampled_from([1, None]),
        "on_id": st.sampled_from([1, None, "x"]),
        "post_id": st.sampled_from([1, None, "x"]),
        "created_at": st.sampled_from(["2024-01-01", None]),
    },
)


@pytest.mark.parametrize(("name", "rows"), [("post", RAW_POSTS), ("comment", RAW_COMMENTS)])
@given(drawn=st.data())
def test_batches_are_judged_as_their_rows_are(town: Catalogue, name, rows, drawn):
    raws = drawn.draw(st.lists(rows, min_size=1, max_size=6))
    columns = {column: [raw.get(column) for raw in raws] for raw in raws for column in raw}
    batch = RawBatch(name, columns, len(raws), "a file", pa.array(range(len(raws))), str)
    validated = validate(town, batch, LANDED_AT)
    judged = [typed_row(town, name, raw, LANDED_AT) for raw in raws]
    period = partial(period_text, unit=town.partition_unit)
    assert validated.accepted.tolist() == [place for place, (_, reason, _) in enumerate(judged) if reason is None]
    assert validated.reasons == [reason for _, reason, _ in judged if reason]
    assert [UNKNOWN if ordinal == NO_PERIOD else period(ordinal) for ordinal in validated.rejected_ordinals] == [
        found for _, reason, found in judged if reason
    ]
    assert [period(ordinal) for ordinal in validated.ordinals] == [found for _, reason, found in judged if not reason]
    for column, array in validated.columns.items():
        assert array.to_pylist() == [row[column] for row, reason, _ in judged if not reason]
