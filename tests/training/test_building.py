"""Training sets as builds: rows trace back to what they are made of, what is stale, what is refused, and what is served."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from resources.registry_types import EPOCH
from srp_assets.errors import Conflict
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.registry import bind_log_catalogue
from srp_assets.logs.schema import log_schema
from srp_assets.training.building import TrainingPlaces, bring_up_to_date, current_inputs, delete_old_sets, stale_days
from srp_assets.training.figures import Figures, merged
from srp_assets.training.inputs import SetOptions
from srp_assets.training.reference import naive_weights
from srp_assets.training.registry import SetBuild, current_sets
from srp_assets.training.schema import TrainingSchema
from support.training_world import Shop, features_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS = ("2024-03-01", "2024-03-02")


def rows_of(places: TrainingPlaces, build: SetBuild) -> list[dict[str, Any]]:
    files = [path for path, _ in places.sets.files(build.folder)]
    return pa.concat_tables([places.sets.read(path) for path in files]).to_pylist()


def test_rows_have_labels_features_and_weights_and_days_follow_what_they_read(
    shop: Shop, training_places: TrainingPlaces, engine: Engine, spark: "SparkSession"
) -> None:
    shown = {day: shop.build(day, 150, seed=number) for number, day in enumerate(DAYS)}
    with engine.connect() as connection:
        assert stale_days(connection, training_places) == list(DAYS)
    builds = bring_up_to_date(spark, engine, training_places, DAYS, run_id="first")
    schema = training_places.schema
    for number, (day, build) in enumerate(zip(DAYS, builds, strict=True)):
        rows = rows_of(training_places, build)
        assert [row["event_id"] for row in rows] != sorted(row["event_id"] for row in rows)
        of_id = {row["event_id"]: row for row in rows}
        features = {row["event_id"]: row for row in features_table(shop.layout, shop.number_feature, shown[day], number).to_pylist()}
        weights = naive_weights("given", 20.0, [(row["propensity"], row["position"], row["clicked"]) for row in shown[day]], {})
        assert len(of_id) == build.rows == len(shown[day])
        for impression, weight in zip(shown[day], weights, strict=True):
            row = of_id[impression["event_id"]]
            own = [field.name for field in schema.own_fields if field.name not in ("weight", "examination")]
            assert {name: row[name] for name in own} == {name: impression[name] for name in own}
            assert {name: row[name] for name in schema.features} == {name: features[row["event_id"]][name] for name in schema.features}
            assert row["weight"] == pytest.approx(weight)
        assert_figures(Figures.of_dict({name: build.figures[name] for name in Figures().as_dict()}), rows)
    with engine.connect() as connection:
        assert stale_days(connection, training_places) == []
    again = shop.build(DAYS[1], 120, seed=9)
    with engine.connect() as connection:
        assert stale_days(connection, training_places) == [DAYS[1]]
    second = bring_up_to_date(spark, engine, training_places, DAYS, only_changed=True)
    assert [build.set_id for build in second][0] == builds[0].set_id
    assert second[1].rows == len(again)
    assert delete_old_sets(engine, training_places.sets, second[1].built_at) == 0
    with engine.connect() as connection:
        assert list(current_sets(connection, training_places.identity, DAYS[1])) == [DAYS[1]]


def assert_figures(figures: Figures, rows: list[dict[str, Any]]) -> None:
    """The card's figures are those of the rows."""
    assert (figures.rows, figures.without_features, figures.final) == (len(rows), 0, len(rows))
    assert figures.explored == sum(row["explored"] for row in rows)
    assert figures.weight_sum == pytest.approx(len(rows))
    assert figures.effective_rows < len(rows)
    for label in ("clicked", "cart", "order"):
        assert figures.labels[label].positives == sum(row[label] for row in rows)
    assert figures.labels["cart"].amount == pytest.approx(10.0 * figures.labels["cart"].positives)
    within = sum(row["clicked"] and row["click_delay_seconds"] <= 60 for row in rows)
    assert figures.labels["clicked"].within["a minute"] == within
    numbers = [row["user_clicks_7d"] for row in rows]
    assert figures.features["user_clicks_7d"].mean() == pytest.approx(sum(numbers) / len(numbers))
    assert figures.features["user_top_places_7d"].known == sum(row["user_top_places_7d"] is not None for row in rows)
    assert sum(clicks for _, clicks in figures.positions.values()) == figures.labels["clicked"].positives
    both = merged([figures.as_dict(), figures.as_dict()])
    assert (both.rows, both.labels["cart"].positives) == (2 * len(rows), 2 * figures.labels["cart"].positives)


def test_a_set_is_not_built_from_features_that_are_missing_or_incomplete(
    shop: Shop, training_places: TrainingPlaces, engine: Engine, spark: "SparkSession"
) -> None:
    shown = shop.build(DAYS[0], 40, seed=1)
    with pytest.raises(Conflict, match="the logs are not built"):
        bring_up_to_date(spark, engine, training_places, [DAYS[1]])
    shop.build_features(DAYS[0], shown[:30], seed=1)
    with pytest.raises(Conflict, match="10 of 40 impressions have no features"):
        bring_up_to_date(spark, engine, training_places, [DAYS[0]])
    assert training_places.sets.folders("sets") == []
    shop.build_logs(DAYS[0], shown)
    with pytest.raises(Conflict, match="the features of impressions are not built"):
        bring_up_to_date(spark, engine, training_places, [DAYS[0]])


def test_a_set_takes_features_as_they_were_served_and_counts_what_was_not(
    shop: Shop, training_places: TrainingPlaces, engine: Engine, spark: "SparkSession"
) -> None:
    places = replace(training_places, options=SetOptions(features="served"))
    shown = shop.build(DAYS[0], 60, seed=3)
    schema = places.schema
    of_row = {row["event_id"]: row for row in features_table(shop.layout, shop.number_feature, shown, 33).to_pylist()}
    served = [served_row(schema, row, of_row[row["event_id"]], shop.layout.definitions.digest) for row in shown[:50]]
    # Of two answers the later one counts, and none of definitions that say something else.
    served += [{**served[0], "event_id": "earlier", "event_time": shown[0]["event_time"] - timedelta(seconds=9), "values": {}}]
    served += [served_row(schema, shown[55], of_row[shown[55]["event_id"]], "other definitions")]
    batch = pa.RecordBatch.from_pylist(served, log_schema(shop.logs.logs["served_features"]))
    with engine.begin() as connection:
        bind_log_catalogue(connection, shop.logs)
    land_log_batches(engine, shop.places.logs, shop.logs, batches=[("served_features", batch)], source="twin", reader="samples")
    (build,) = bring_up_to_date(spark, engine, places, [DAYS[0]])
    rows = {row["event_id"]: row for row in rows_of(places, build)}
    assert set(rows) == {row["event_id"] for row in shown[:50]}
    assert (build.rows, build.figures["without_features"]) == (50, 10)
    for name in schema.features:
        assert {key: row[name] for key, row in rows.items()} == {key: of_row[key][name] for key in rows}, name
    with engine.connect() as connection:
        assert stale_days(connection, places) == []
    more = pa.RecordBatch.from_pylist(
        [served_row(schema, shown[58], of_row[shown[58]["event_id"]], shop.layout.definitions.digest)], batch.schema
    )
    land_log_batches(engine, shop.places.logs, shop.logs, batches=[("served_features", more)], source="twin again", reader="samples")
    with engine.connect() as connection:
        assert stale_days(connection, places) == [DAYS[0]]


def served_row(schema: TrainingSchema, impression: dict[str, Any], features: dict[str, Any], version: str) -> dict[str, Any]:
    """A row of the log of served features."""
    values: dict[str, dict[str, Any]] = {"values": {}, "texts": {}, "lists": {}}
    for name, type_ in schema.features.items():
        value = features[name]
        if type_ == "time" and value is not None:
            value = float((value - EPOCH) // timedelta(microseconds=1))
        if type_ == "texts" and value is not None:
            value = json.dumps(value)
        values[{"number": "values", "time": "values", "text": "texts", "texts": "lists"}[type_]][name] = value
    own = {name: impression[name] for name in ("event_time", "arrival_time", "trace_id", "item_id", "user_id", "market", "device", "page")}
    return {**own, **values, "event_id": f"{version}/{impression['event_id']}", "definition_version": version}


@pytest.mark.parametrize("weighting", ["randomised", "regression_em"])
def test_weights_by_examination_read_the_days_before(
    shop: Shop, training_places: TrainingPlaces, engine: Engine, spark: "SparkSession", weighting: Any
) -> None:
    places = replace(training_places, options=SetOptions(weighting=weighting, window_days=1))
    for number, day in enumerate(("2024-02-28", *DAYS)):
        shop.build(day, 300, seed=number)
    (build,) = bring_up_to_date(spark, engine, places, [DAYS[1]])
    examination = build.figures["weights"]["examination"]
    assert examination["method"] == weighting
    rows = rows_of(places, build)
    clicked = {row["weight"] for row in rows if row["clicked"]}
    assert len(clicked) == 1
    assert all(row["weight"] <= max(clicked) + 1e-12 for row in rows)
    assert {row["examination"] for row in rows if row["position"] == 1} == {1.0}
    shown = shop.build(DAYS[0], 300, seed=8)
    with engine.connect() as connection:
        assert current_inputs(connection, places)[DAYS[1]].problem == "the features of impressions are not built"
    shop.build_features(DAYS[1], shown, seed=8)
    with engine.connect() as connection:
        assert DAYS[1] in stale_days(connection, places)
