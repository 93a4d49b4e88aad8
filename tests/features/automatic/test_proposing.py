"""What is proposed can be accepted as it stands; the sample is always the same; a signal that was planted in the logs is found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml
from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.features.automatic.proposing import Proposal, problems_of, propose, sampled
from srp_assets.features.automatic.selection import ACCEPTED, Evidence
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.loading import load_document
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.logs import registry_builds as log_builds
from srp_assets.logs.tables import BuiltDay
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 6
LAST = "2024-03-06"
TIME = pa.timestamp("us", tz="UTC")

DOCUMENT: dict[str, Any] = {
    "name": "planted",
    "owner": "tests",
    "events": ["impression", "click"],
    "entities": {"user": {"keys": ["user_id"], "description": "x"}, "device": {"keys": ["device"], "description": "x"}},
    "features": [
        {"name": "seen", "entity": "user", "aggregation": "count", "event": "impression", "windows": [1], "unit": "x", "description": "x"}
    ],
    "automatic": {"explore": {"user": ["click"]}, "costs": {"user": 1}, "pays": 0.01},
}


@pytest.fixture
def document() -> FeatureDocument:
    return FeatureDocument.model_validate(DOCUMENT)


@pytest.fixture
def places(storage: Storage) -> Places:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
    return Places(Storage(f"{storage.location}/features"), Storage(f"{storage.location}/logs"), storage, catalogue, 2)


def planted_events(random: Random, day: int) -> list[dict[str, Any]]:
    """A day of impressions and clicks: some users click on nearly everything, others on nearly nothing."""
    rows = []
    for number in range(300):
        user = random.randrange(40)
        time = FIRST + timedelta(days=day, seconds=random.randrange(86_400))
        shown = {"event_id": f"{day}-{number}", "event_time": time, "arrival_time": time, "kind": "impression", "user_id": f"u{user}"}
        shown |= {"clicked": random.random() < (0.9 if user % 2 else 0.05), "device": random.choice(("phone", "desktop"))}
        rows.append(shown)
        if shown["clicked"]:
            rows.append({**shown, "event_id": f"{day}-{number}-click", "kind": "click"})
    return rows


def land(engine: Engine, places: Places) -> None:
    """Records days of logs as built."""
    random, builds = Random(5), []
    texts = ("item_id", "market", "query", "page", "location")
    numbers = ("position", "price", "amount", "quantity", "dwell_seconds")
    for day in range(DAYS):
        rows = planted_events(random, day)
        table = pa.Table.from_pylist(rows)
        for name in ("event_time", "arrival_time"):
            table = table.set_column(table.column_names.index(name), name, table[name].cast(TIME))
        for names, type_ in ((texts, pa.string()), (numbers, pa.float64())):
            for name in names:
                table = table.append_column(name, pa.nulls(table.num_rows, type_))
        files = []
        for name, kept in (
            ("actions", table),
            ("impression_outcomes", table.filter(pa.array([row["kind"] == "impression" for row in rows]))),
        ):
            path = f"{name}/{day}.parquet"
            files.append(log_builds.TableFile(name, path, kept.num_rows, places.logs.write(path, kept)))
        date = (FIRST + timedelta(days=day)).date().isoformat()
        builds.append(log_builds.DayBuild(0, date, 1, "final", {}, log_builds.DayCountsBuilt(), tuple(files), FIRST, None))
    with engine.begin() as connection:
        log_builds.record_builds(connection, builds)


@pytest.mark.nightly
def test_a_planted_signal_is_proposed(document: FeatureDocument, engine: Engine, places: Places, spark: "SparkSession") -> None:
    land(engine, places)
    proposal = propose(spark, engine, places, document, LAST, rows=1_500)
    (first, *_) = proposal.evidence
    assert first.verdict == ACCEPTED
    assert first.name.startswith("auto_user_click")
    assert first.gain is not None
    assert first.gain > 5 * document.automatic.pays
    assert problems_of(document, proposal.as_table()) == []
    accepted = yaml.safe_load(proposal.declarations)
    resolve(FeatureDocument.model_validate({**DOCUMENT, "features": [*DOCUMENT["features"], *accepted]}))
    assert places.features.folders("proposals/scratch") == []


def test_too_few_impressions_tell_nothing(document: FeatureDocument, engine: Engine, places: Places) -> None:
    spark: Any = None
    with pytest.raises(Conflict, match="0 impressions cannot tell what pays"):
        propose(spark, engine, places, document, LAST)


def test_the_sample_is_the_same_whatever_files_it_comes_from(document: FeatureDocument, places: Places) -> None:
    rows = [row | {"position": 1.0} for row in planted_events(Random(1), 0)]
    table = pa.Table.from_pylist(rows)
    halves = {}
    for name, part in {"whole": [table], "parts": [table.slice(200), table.slice(0, 200)]}.items():
        paths = tuple(f"{name}/{number}.parquet" for number in range(len(part)))
        for path, own in zip(paths, part, strict=True):
            places.logs.write(path, own)
        day = BuiltDay("2024-03-01", paths, len(rows), "final", 1, 1)
        halves[name] = sampled(places, resolve(document), {"2024-03-01": day}, 50)
    assert halves["whole"].num_rows == 50
    assert halves["whole"].equals(halves["parts"])
    assert halves["whole"]["as_of"].to_pylist() == sorted(halves["whole"]["as_of"].to_pylist())


def test_a_proposal_that_cannot_be_accepted_is_told(document: FeatureDocument) -> None:
    good = {"name": "auto_x", "entity": "user", "aggregation": "count", "event": "click", "windows": [3], "unit": "x", "description": "x"}
    evidence = Evidence("auto_x_3d", 1.0, 0.1, 0.0, 0.01, 1.0, ACCEPTED)
    assert problems_of(document, Proposal(((good, evidence),), (evidence,), 1, 0.5).as_table()) == []
    taken = {**good, "name": "seen", "windows": [1]}
    (problem,) = problems_of(document, Proposal(((taken, evidence),), (evidence,), 1, 0.5).as_table())
    assert "the name 'seen_1d' is taken" in problem
    without = Evidence("auto_x_3d", 1.0, 0.1, 0.0, None, 1.0, ACCEPTED)
    assert problems_of(document, Proposal((), (without,), 1, 0.5).as_table()) == ["auto_x_3d is accepted without gain"]


def test_the_sample_document_says_what_is_explored() -> None:
    path: Path = PROJECT_ROOT / "examples" / "sample" / "features.yaml"
    assert load_document(path).automatic.explore.keys() == {"user", "item", "category"}
