"""Which days can be checked, and which were checked before more was served; and which samples are kept."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
import yaml
from sqlalchemy import Engine

from srp_assets.features.building.days import identity_of, inputs_of
from srp_assets.features.reference import first_arrivals
from srp_assets.features.registry import FeatureBuild, feature_versions, record_builds
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.online.parity.assets import parity_places
from srp_assets.online.parity.checking import check_day
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.inputs import inputs_of_days, stale_days
from srp_assets.online.parity.registry import ParityRecord, record_parity
from srp_assets.online.parity.samples import days_before_day, delete_old_documents, delete_old_samples, read_samples
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage
from support.feature_files import build_actions
from support.feature_logs import random_logs
from support.served_day import DAY, LOGS, ServedDay, requests_of_day
from support.served_rows import served_row

SMALL = Path(__file__).parents[2] / "features" / "small.yaml"


@pytest.fixture
def day(settings: Settings, engine: Engine, tmp_path: Path) -> ServedDay:
    """A day whose actions are built, and whose partial sums are not."""
    logs = tmp_path / "logs.yaml"
    logs.write_text(yaml.safe_dump(LOGS), encoding="utf-8")
    places, _ = parity_places(settings, load_catalogue(settings.catalogue), load_log_catalogue(logs), SMALL)
    random = Random(1)
    definitions = places.layout.definitions
    build_actions(engine, places.features.logs, definitions, first_arrivals(random_logs(random, 5, 1).events), [DAY], 1, provisional=[DAY])
    rows = [served_row(definitions, number, request, {}) for number, request in enumerate(requests_of_day(random))]
    return ServedDay(settings, engine, places, rows)


def build_sums(day: ServedDay) -> None:
    """Records partial sums of the day; nothing reads their files."""
    places = day.places.features
    with day.engine.begin() as connection:
        inputs = inputs_of(connection, "partials", day.places.layout, places.buckets)[DAY]
        identity = identity_of("partials", day.places.layout, places.buckets)
        build = FeatureBuild(0, "partials", identity, DAY, inputs.reads, inputs.newest, 1, "sums", {}, 0, datetime.now(UTC), None)
        record_builds(connection, [build])


def stale(day: ServedDay) -> list[str]:
    places = day.places
    with day.engine.connect() as connection:
        return stale_days(connection, places.features, places.catalogue, places.layout)


def record(day: str, reads: str, pairs: str | None = None) -> ParityRecord:
    return ParityRecord(0, day, "d", reads, "data", 1, 1, 0, True, (), pairs, None, datetime(2024, 3, 1, tzinfo=UTC), None)


def test_a_day_waits_until_all_that_it_reads_is_built_and_is_old_when_more_is_served(day: ServedDay) -> None:
    places = day.places
    assert stale(day) == []
    day.request()
    day.serve(day.rows[:8])
    with day.engine.connect() as connection:
        (own,) = inputs_of_days(connection, places.features, places.catalogue, places.layout).values()
    assert (own.day, own.rows, own.problem) == (DAY, 8, f"the logs or partial sums of {DAY} are not built")
    assert stale(day) == []
    no: Any = None
    waiting = check_day(no, day.engine, places, DAY, no)
    assert (waiting.passed, waiting.reasons, waiting.served, waiting.features) == (False, (own.problem,), 8, {})
    with day.engine.begin() as connection:
        record_parity(connection, waiting)
    build_sums(day)
    assert stale(day) == [DAY]
    with day.engine.begin() as connection:
        (own,) = inputs_of_days(connection, places.features, places.catalogue, places.layout).values()
        record_parity(connection, record(DAY, own.reads))
    assert (own.problem, dict(own.sums)) == (None, {DAY: "sums"})
    assert stale(day) == []
    day.serve(day.rows[8:])
    assert stale(day) == [DAY]


def test_nothing_served_is_a_no(day: ServedDay) -> None:
    no: Any = None
    found = check_day(no, day.engine, day.places, DAY, no)
    assert (found.passed, found.reasons) == (False, ("nothing was served",))
    definitions = day.places.layout.definitions
    assert found.definitions == definitions.digest
    # What the definitions held is known from then on, and is said once.
    check_day(no, day.engine, day.places, DAY, no)
    with day.engine.connect() as connection:
        versions = feature_versions(connection, [definitions.digest, "unknown"])
    assert versions == {definitions.digest: {name: feature.version for name, feature in definitions.features.items()}}


def test_samples_are_kept_while_a_record_counts_them(storage: Storage) -> None:
    records = {}
    for day, number in (("2024-01-01", 1), ("2024-03-01", 1), ("2024-03-01", 2), ("2024-03-02", 1)):
        pairs = f"online/parity/day={day}/{number}/pairs"
        storage.write(f"{pairs}/part.parquet", pa.Table.from_pylist([{"event_id": f"{day}/{number}", "feature": "f"}], PAIRS))
        records[day] = record(day, "", pairs)
    records["2024-03-03"] = record("2024-03-03", "")
    assert [found.day for found in days_before_day(records, "2024-03-03", 2)] == ["2024-03-01", "2024-03-02"]
    assert delete_old_samples(storage, "online/parity", records, 30) == 2
    assert delete_old_samples(storage, "online/parity", records, 30) == 0
    kept = read_samples(storage, records.values())
    assert kept["event_id"].to_pylist() == ["2024-03-01/2", "2024-03-02/1"]
    assert read_samples(storage, [record("2024-01-01", "", "gone")]).num_rows == 0
    assert delete_old_samples(storage, "online/parity", {}, 30) == 2


def test_the_documents_of_the_newest_days_are_kept(tmp_path: Path) -> None:
    assert delete_old_documents(tmp_path / "none", 2) == 0
    for day in ("2024-03-01", "2024-02-28", "2024-03-02"):
        (tmp_path / day / "gx").mkdir(parents=True)
    assert delete_old_documents(tmp_path, 2) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["2024-03-01", "2024-03-02"]
