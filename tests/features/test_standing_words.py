"""Standing word lists as attributes: what stands in which texts since when, from the hits that are kept beside the warehouse's builds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.building.days import Places, version_files
from srp_assets.features.building.files import read_versions
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.loading import load_document
from srp_assets.features.declaration.model import Attribute
from srp_assets.features.standing_words import entity_of, lists_of_rows, next_versions
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, BuildFile, record_builds
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists import registry as hits_registry
from srp_assets.wordlists.standing.hit_files import HIT_SCHEMA

TIME = pa.timestamp("us", "UTC")
MARCH = datetime(2024, 3, 1, tzinfo=UTC)
LOOKED = MARCH + timedelta(days=20)


def versions(rows: list[tuple[str, datetime, list[str]]], looked_at: datetime | None = None) -> pa.Table:
    names, times, lists = zip(*rows, strict=True)
    columns = {"item_id": pa.array(names), UPDATED_AT: pa.array(times, TIME), "word_lists": pa.array(lists, pa.list_(pa.string()))}
    if looked_at is not None:
        columns["looked_at"] = pa.array([int(looked_at.timestamp() * 1_000_000)] * len(rows))
    return pa.table(columns)


def test_what_is_found_first_stands_since_the_row_changed() -> None:
    found = versions([("b", MARCH, []), ("a", MARCH, ["x"])], LOOKED)
    assert next_versions(None, found, "item_id").equals(versions([("a", MARCH, ["x"]), ("b", MARCH, [])]))


@pytest.mark.parametrize(
    ("found", "added"),
    [
        (("a", MARCH, ["x"]), None),
        (("a", MARCH + timedelta(days=3), ["x"]), None),
        (("a", MARCH + timedelta(days=3), ["y"]), ("a", MARCH + timedelta(days=3), ["y"])),
        (("a", MARCH, ["x", "y"]), ("a", LOOKED, ["x", "y"])),
        (("c", MARCH, []), ("c", MARCH, [])),
    ],
    ids=["same", "same words in a new text", "other words in a new text", "other lists", "new row"],
)
def test_what_changes_is_added_with_its_time(found: tuple, added: tuple | None) -> None:
    known = versions([("a", MARCH, ["x"])])
    expected = known if added is None else pa.concat_tables([known, versions([added])])
    assert next_versions(known, versions([found], LOOKED), "item_id").equals(expected)


def test_the_past_keeps_what_stood_then() -> None:
    """A list that is added and taken away again leaves three versions, in order."""
    known = next_versions(None, versions([("a", MARCH, [])], LOOKED), "item_id")
    known = next_versions(known, versions([("a", MARCH, ["x"])], LOOKED + timedelta(days=1)), "item_id")
    known = next_versions(known, versions([("a", MARCH, [])], LOOKED + timedelta(days=2)), "item_id")
    assert [(row[UPDATED_AT], row["word_lists"]) for row in known.to_pylist()] == [
        (MARCH, []),
        (LOOKED + timedelta(days=1), ["x"]),
        (LOOKED + timedelta(days=2), []),
    ]


def test_a_list_stands_once_in_a_row_however_many_words_hit() -> None:
    hits = pa.table({"row": [2, 0, 2, 2], "list": ["y", "x", "x", "y"]})
    assert lists_of_rows(hits, 4).to_pylist() == [["x"], [], ["x", "y"], []]
    assert lists_of_rows(None, 2).to_pylist() == [[], []]


def test_a_source_is_named_after_its_entity(sample_catalogue: Catalogue) -> None:
    names = ("item_words", "item", "nothing_words", "_words")
    assert [entity_of(name, sample_catalogue.entities) for name in names] == ["item", None, None, None]


@pytest.fixture
def places(storage: Storage, sample_catalogue: Catalogue) -> Places:
    return Places(Storage(f"{storage.location}/features"), Storage(f"{storage.location}/logs"), storage, sample_catalogue, 2)


def build_items(engine: Engine, storage: Storage, number: int, items: dict[str, list[str]]) -> Build:
    """A built period of items with kept hits of standing lists, each in two words."""
    path = f"builds/{number}.parquet"
    rows = [{"item_id": name, "updated_at": MARCH} for name in items]
    table = pa.Table.from_pylist(rows, pa.schema([("item_id", pa.string()), ("updated_at", TIME)]))
    file = BuildFile(path, visible=True, bucket=0, rows=len(rows), bytes=storage.write(path, table))
    build = Build(0, "item", "aurora", "2024-03", number, len(rows), 0, 0, 0, (file,), MARCH, None)
    hits = [
        {"file": 0, "row": row, "feature": "title", "list": name, "word": word}
        for row, lists in enumerate(items.values())
        for name in lists
        for word in (1, 2)
    ]
    found = f"hits/item/{number}/hits.parquet"
    storage.write(found, pa.Table.from_pylist(hits, HIT_SCHEMA))
    with engine.begin() as connection:
        (build,) = record_builds(connection, [build])
        files = (hits_registry.HitFile(found, (0,)),) if hits else ()
        record = hits_registry.StandingHits(
            0, build.build_id, "item", "aurora", "2024-03", {}, (), "d", files, len(rows), len(hits), LOOKED + timedelta(days=number), None
        )
        hits_registry.record_hits(connection, [record])
    return build


def test_kept_hits_become_attributes(engine: Engine, storage: Storage, places: Places) -> None:
    layout = layout_of(resolve(load_document(PROJECT_ROOT / "examples" / "sample" / "features.yaml")))

    def words() -> Any:
        with engine.connect() as connection:
            files = version_files(connection, places, layout, 0)["item_words"]
        tables = read_versions(layout.definitions, {"item_words": files}, ["word_lists"])
        return [(row["item_id"], row[UPDATED_AT], row["word_lists"]) for row in tables["item_words"].to_pylist()] if tables else None

    assert words() is None
    build_items(engine, storage, 1, {"item-1": ["promotions"], "item-2": []})
    first = [("item-1", MARCH, ["promotions"]), ("item-2", MARCH, [])]
    assert words() == words() == first
    build_items(engine, storage, 2, {"item-1": ["promotions"], "item-2": ["contacts", "promotions"]})
    assert words() == [*first, ("item-2", LOOKED + timedelta(days=2), ["contacts", "promotions"])]
    # What is not looked for any more leaves what was known.
    assert len(places.features.files("words/item")) == 2


def test_only_the_lists_can_be_taken(engine: Engine, places: Places) -> None:
    document = load_document(Path(PROJECT_ROOT / "examples" / "sample" / "features.yaml"))
    source = document.attributes["item_words"]
    other = Attribute(type="texts", column="topics", unit="none", description="x")
    layout = layout_of(resolve(document))
    attributes = {**layout.definitions.attributes, "item_words": source.model_copy(update={"columns": {"word_lists": other}})}
    changed = replace(layout, definitions=replace(layout.definitions, attributes=attributes))
    with engine.connect() as connection, pytest.raises(InvalidInput, match="has no column 'topics'"):
        version_files(connection, places, changed, 0)
