"""Served values laid beside recomputed ones: whole columns against the naive evaluator, row by row."""

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.online.parity.comparing import PAIRS, compared_values, differing_rows
from srp_assets.online.parity.reference import Pair, pair_of
from support.feature_logs import random_logs
from support.served_rows import Row, served_row, with_offline

SMALL = load_definitions(Path(__file__).parents[2] / "features" / "small.yaml")
VERSIONS = {SMALL.digest: {name: feature.version for name, feature in SMALL.features.items()}}


def served_and_offline(definitions: Definitions, random: Random, requests: int) -> tuple[list[Row], list[dict[str, Any]]]:
    """Rows as they should be served, and the values that they should have."""
    generated = random_logs(random, 60, requests)
    events = first_arrivals(generated.events)
    offline = [feature_values(definitions, events, request, generated.versions) for request in generated.requests]
    rows = [served_row(definitions, number, *found) for number, found in enumerate(zip(generated.requests, offline, strict=True))]
    return rows, offline


def spoil(random: Random, row: Row) -> None:
    """Changes something of a row, or nothing."""
    maps = [name for name in ("values", "texts", "lists") if row[name]]
    kind = random.choice(("nothing", "missing", "null", "other", "version", "no map", "defaulted", "rounding", "not a list"))
    chosen = random.choice(maps)
    feature = random.choice(list(row[chosen]))
    if kind == "missing":
        del row[chosen][feature]
    elif kind == "null":
        row[chosen][feature] = None
    elif kind == "other":
        row[chosen][feature] = 7.25 if chosen == "values" else '["other"]'
    elif kind == "version":
        row["definition_version"] = random.choice(("older", "unknown"))
    elif kind == "no map":
        row[chosen] = None
    elif kind == "defaulted":
        row["defaulted"] = random.choice((None, [feature], [feature, "another"]))
    elif kind == "rounding" and chosen == "values" and row[chosen][feature] is not None:
        row[chosen][feature] *= 1 + random.choice((1e-10, 1e-8))
    elif kind == "not a list" and chosen == "lists":
        row[chosen][feature] = random.choice(("no JSON", "7"))


@given(seed=st.integers(0, 2**32 - 1))
def test_columns_equal_the_naive_evaluator(seed: int) -> None:
    random = Random(seed)
    rows, offline = served_and_offline(SMALL, random, random.randint(1, 6))
    for row in rows:
        spoil(random, row)
    # The older definitions had another version of one feature, and had not another one.
    older = {**VERSIONS[SMALL.digest], "user_cvr_30d": "another"}
    del older["item_age"]
    versions = {**VERSIONS, "older": older}
    found = compared_values(SMALL, versions, with_offline(SMALL, rows, offline)).to_pylist()
    expected = [
        pair_of(feature, versions, {**row, "as_of": row["event_time"]}, values[name])
        for name, feature in SMALL.features.items()
        for row, values in zip(rows, offline, strict=True)
    ]
    assert [Pair(*(own[name] for name in ("state", "served", "offline", "differs", "defaulted"))) for own in found] == expected


def test_what_was_served_as_computed_agrees_in_every_feature() -> None:
    rows, offline = served_and_offline(SMALL, Random(5), 12)
    found = compared_values(SMALL, VERSIONS, with_offline(SMALL, rows, offline))
    assert found.schema == PAIRS
    assert found.num_rows == len(rows) * len(SMALL.features)
    assert set(found["state"].to_pylist()) == {"compared"}
    assert differing_rows(found, list(SMALL.features), 3) == []


def test_no_rows_are_no_pairs() -> None:
    assert compared_values(SMALL, VERSIONS, with_offline(SMALL, [], [])).num_rows == 0


@pytest.mark.parametrize(("served", "differs"), [('["x","y"]', False), ('[ "x", "y" ]', False), ('["y","x"]', True), ('["x"]', True)])
def test_lists_agree_by_what_they_hold(served: str, differs: bool) -> None:
    name = "user_favourites_60d"
    rows, offline = served_and_offline(SMALL, Random(5), 1)
    rows[0]["lists"][name], offline[0][name] = served, ("x", "y")
    found = compared_values(SMALL, VERSIONS, with_offline(SMALL, rows, offline))
    (own,) = [row for row in found.to_pylist() if row["feature"] == name]
    assert own["differs"] is differs
    assert own["offline_text"] == '["x", "y"]'


def test_a_slice_of_a_table_is_compared_by_itself() -> None:
    rows, offline = served_and_offline(SMALL, Random(8), 9)
    whole = with_offline(SMALL, rows, offline)
    parts = [compared_values(SMALL, VERSIONS, whole.slice(start, 3)) for start in (0, 3, 6)]
    by_feature = pa.concat_tables(parts).sort_by([("feature", "ascending"), ("event_id", "ascending")])
    assert by_feature.equals(compared_values(SMALL, VERSIONS, whole).sort_by([("feature", "ascending"), ("event_id", "ascending")]))
