"""Which word lists a training set's features know: those whose hits stood when the features were computed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.registry_words import lists_read_at
from srp_assets.settings import PROJECT_ROOT
from srp_assets.training.card.content import card_of
from srp_assets.training.inputs import SetOptions
from srp_assets.warehouse.registry_builds import Build, record_builds
from srp_assets.wordlists.registry import StandingHits, record_hits
from srp_assets.wordlists.standing.lists import ListMark
from support.training_builds import build_of
from support.training_sets import SCHEMA


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml")


def look_for(engine: Engine, period: str, *marks: ListMark) -> datetime:
    """Builds a period of items and looks for lists in it; a time at which both stand."""
    build = Build(0, "item", "aurora", period, 1, 1, 0, 0, 0, (), datetime.now(UTC), None)
    with engine.begin() as connection:
        (build,) = record_builds(connection, [build])
        hits = StandingHits(0, build.build_id, "item", "aurora", period, {}, marks, "d", (), 1, 0, datetime.now(UTC), None)
        record_hits(connection, [hits])
    return datetime.now(UTC)


def lists_at(engine: Engine, at: datetime, entity: str = "item") -> dict[str, dict[int, str]]:
    with engine.connect() as connection:
        return lists_read_at(connection, entity, at)


def test_lists_are_those_of_the_builds_and_hits_that_stood_then(engine: Engine) -> None:
    before = datetime.now(UTC)
    first = look_for(engine, "2024-03", ListMark("promotions", 1, "p1"), ListMark("contacts", 4, "c4"))
    second = look_for(engine, "2024-04", ListMark("promotions", 2, "p2"))
    # The same period again: the build before and its hits are replaced.
    third = look_for(engine, "2024-03", ListMark("promotions", 2, "p2"))
    assert lists_at(engine, before - timedelta(seconds=1)) == {}
    assert lists_at(engine, first) == {"contacts": {4: "c4"}, "promotions": {1: "p1"}}
    assert lists_at(engine, second) == {"contacts": {4: "c4"}, "promotions": {1: "p1", 2: "p2"}}
    assert lists_at(engine, third) == {"promotions": {2: "p2"}}
    assert lists_at(engine, third, "post") == {}


def test_features_tell_the_sources_that_they_come_from(definitions: Definitions) -> None:
    assert definitions.sources_of(["item_word_lists"]) == ("item_words",)
    assert definitions.sources_of(["item_clicks_7d"]) == ()
    assert definitions.sources_of(["item_log_price", "item_word_lists"]) == ("item", "item_words")


def test_a_card_tells_the_lists_of_all_its_days() -> None:
    days = {day: build_of(day, number, 10) for number, day in enumerate(("2024-03-01", "2024-03-02", "2024-03-03"))}
    told = {
        "2024-03-02": {"item_words": {"promotions": {"1": "p1"}}},
        "2024-03-03": {"item_words": {"promotions": {"2": "p2"}, "contacts": {"4": "c4"}}},
    }
    builds = {day: replace(build, figures=build.figures | {"lists": told.get(day, {})}) for day, build in days.items()}
    lists = card_of("sample", SCHEMA, "digest", SetOptions(), builds).as_dict()["lists"]
    assert lists == {"item_words": {"promotions": {"1": "p1", "2": "p2"}, "contacts": {"4": "c4"}}}
