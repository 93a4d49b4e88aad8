from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.strategy.features import MATCHES, check_match, features_of, typed_value
from srp_assets.strategy.resolved import Feature
from srp_assets.strategy.times import iso_utc, parse_time
from srp_assets.warehouse.catalogue import Catalogue


def feature(kind: str, type_: str) -> Feature:
    return Feature(name="it", kind=kind, type=type_, parts=("it",))


def test_features_are_columns_and_composites(sample_catalogue: Catalogue) -> None:
    features = features_of(sample_catalogue.entities["post"])
    assert features["view_count"] == Feature(name="view_count", kind="metric", type="int64", parts=("view_count",))
    assert features["title_body"] == Feature(name="title_body", kind="text", type="string", parts=("title", "body"))


METRIC_MATCHES = {"=", "!=", "<", "<=", ">", ">=", "between"}


@pytest.mark.parametrize(
    ("kind", "type_", "key", "allowed"),
    [
        ("id", "int64", None, {"=", "in"}),
        ("enum", "string", None, {"=", "in"}),
        ("text", "string", None, {"matches", "contains"}),
        ("metric", "int64", None, METRIC_MATCHES),
        ("metric", "float64", None, METRIC_MATCHES),
        ("time", "timestamp", None, METRIC_MATCHES),
        ("array", "list<string>", None, {"contains_any", "contains_all"}),
        ("flag", "bool", None, {"is"}),
        ("media", "string", None, set()),
        ("map", "map<string,float64>", "spam", METRIC_MATCHES),
        ("map", "map<string,string>", "spam", {"=", "in"}),
    ],
)
def test_each_kind_allows_its_matches_and_no_other(kind: str, type_: str, key: str | None, allowed: set[str]) -> None:
    every_match = {match for matches in MATCHES.values() for match in matches}
    for match in every_match:
        if match in allowed:
            assert check_match(feature(kind, type_), match, key) == match
        else:
            with pytest.raises(InvalidInput):
                check_match(feature(kind, type_), match, key)


@pytest.mark.parametrize(
    ("kind", "type_", "match", "written", "typed"),
    [
        ("metric", "int64", ">=", 100, 100),
        ("metric", "int64", ">=", 100.0, 100),
        ("metric", "float64", ">=", 1, 1.0),
        ("map", "map<string,float64>", "<", 0, 0.0),
        ("metric", "int64", "between", [1, 1], (1, 1)),
        ("id", "int64", "in", [3, 1, 3], (3, 1)),
        ("id", "string", "=", "007", "007"),
        ("flag", "bool", "is", False, False),
        ("text", "string", "contains", " ", " "),
        ("array", "list<string>", "contains_all", ["b", "a", "b"], ("b", "a")),
        ("time", "timestamp", "<", "2024-03-09", "2024-03-09T00:00:00Z"),
        ("time", "timestamp", "<", "2024-03-09T14:30:00+02:00", "2024-03-09T12:30:00Z"),
        ("time", "timestamp", "<", "2024-03-09 14:30:00.5", "2024-03-09T14:30:00.500000Z"),
        ("time", "timestamp", "between", ["2024-03-09T14:30+02:00", "2024-03-09T12:30Z"], ("2024-03-09T12:30:00Z", "2024-03-09T12:30:00Z")),
    ],
)
def test_values_take_the_type_of_their_feature(kind: str, type_: str, match: str, written: object, typed: object) -> None:
    value = typed_value(feature(kind, type_), match, written)
    assert value == typed
    assert type(value) is type(typed)


@pytest.mark.parametrize(
    ("kind", "type_", "match", "written", "message"),
    [
        ("metric", "int64", ">", "100", "'100' does not fit type int64"),
        ("metric", "int64", ">", 0.5, "0.5 does not fit type int64"),
        ("metric", "int64", ">", True, "True does not fit type int64"),
        ("metric", "int64", ">", 2**63, "does not fit type int64"),
        ("metric", "int64", ">", 10**400, "does not fit type int64"),
        ("metric", "float64", ">", 10**400, "does not fit type float64"),
        ("metric", "int64", ">", [1], "takes one value, not a list"),
        ("metric", "int64", "between", 1, "takes a list of values"),
        ("metric", "int64", "between", [1], "takes two values"),
        ("metric", "int64", "between", [2, 1], "no value lies between 2 and 1"),
        ("time", "timestamp", "between", ["2024-02-01", "2024-01-31"], "no value lies between"),
        ("time", "timestamp", "<", "yesterday", "does not fit type timestamp"),
        ("time", "timestamp", "<", "2024-02-30", "does not fit type timestamp"),
        ("time", "timestamp", "<", "0001-01-01T00:00+05:00", "does not fit type timestamp"),
        ("time", "timestamp", "<", 2024, "does not fit type timestamp"),
        ("id", "int64", "in", [], "needs at least one value"),
        ("id", "int64", "in", [1, "2"], "'2' does not fit type int64"),
        ("id", "string", "=", 7, "7 does not fit type string"),
        ("flag", "bool", "is", 1, "1 does not fit type bool"),
        ("flag", "bool", "is", "yes", "'yes' does not fit type bool"),
        ("text", "string", "contains", "", "every text contains the empty text"),
        ("array", "list<string>", "contains_any", "a", "takes a list of values"),
        ("array", "list<string>", "contains_any", [1], "1 does not fit type string"),
    ],
)
def test_values_that_do_not_fit_are_refused(kind: str, type_: str, match: str, written: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        typed_value(feature(kind, type_), match, written)
    assert message in str(caught.value)


def test_enum_values_must_be_declared_if_any_are() -> None:
    level = feature("enum", "string")
    assert typed_value(level, "in", ["low"], ("low", "high")) == ("low",)
    assert typed_value(level, "=", "anything") == "anything"
    assert typed_value(feature("enum", "int64"), "=", 1, ("1", "2")) == 1
    with pytest.raises(InvalidInput, match="'hihg' is not among the declared values .did you mean 'high'"):
        typed_value(level, "=", "hihg", ("low", "high"))


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-11))])))
def test_times_survive_being_written(moment: datetime) -> None:
    try:
        text = iso_utc(moment)
    except OverflowError:
        return  # In UTC it lies before year 1 or after year 9999.
    assert text.endswith("Z")
    assert parse_time(text) == moment


def test_a_time_without_zone_is_utc() -> None:
    assert parse_time("2024-03-09T12:00") == datetime(2024, 3, 9, 12, tzinfo=UTC)
