"""Landing of logs against the reference: each event once, its first arrival; everything accounted for."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict, InvalidInput
from srp_assets.logs.landing import ingest_logs, logs_storage
from srp_assets.logs.registry import bind_log_catalogue, index_files, landed_days, landed_files
from srp_assets.settings import Settings
from srp_assets.warehouse import stage
from srp_assets.warehouse.landing_files import read_rejects
from srp_assets.warehouse.storage import Storage
from support.log_events import CATALOGUE, START, EventMaker, LandedLogs, only


@pytest.fixture
def landed(engine: Engine, settings: Settings) -> LandedLogs:
    return LandedLogs(engine, logs_storage(settings.warehouse_location), CATALOGUE)


def stored_events(landed: LandedLogs) -> dict[str, list[dict]]:
    """What the files of landing hold of each log, without what was withdrawn."""
    found = {}
    with landed.engine.connect() as connection:
        for name in landed.catalogue.logs:
            rows = []
            for files in landed_files(connection, name, "2024-01-01", "2025-01-01", 1_000_000).values():
                gone = {(row["event_id"], row["landed_at"]) for path in files.withdrawals for row in landed.storage.read(path).to_pylist()}
                of_day = [row for path in files.rows for row in landed.storage.read(path).to_pylist()]
                rows += [row for row in of_day if (row["event_id"], row["landed_at"]) not in gone]
            found[name] = rows
    return found


@pytest.mark.parametrize("seed", range(3))
def test_each_event_counts_once_by_its_first_arrival(landed: LandedLogs, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed == 2:
        monkeypatch.setattr(stage, "MEMORY_BYTES", 10_000)  # rows go through shards on disk
    withdrawn = 0
    for events in EventMaker(seed).ingests(traces=60, count=3):
        summary = landed.land(events)
        assert len(events) == sum(summary.landed.values()) + summary.duplicates + sum(summary.rejected.values())
        withdrawn += summary.withdrawn
        expected = landed.events()
        found = stored_events(landed)
        for name, rows in expected.items():
            columns = [*CATALOGUE.logs[name].columns, "landed_at"]
            assert only(columns, found[name]) == only(columns, rows), name
    assert withdrawn > 0
    with landed.engine.connect() as connection:
        days = landed_days(connection)
    assert all(day.balanced for day in days)
    for name, rows in landed.events().items():
        by_day = Counter(row["event_time"].date().isoformat() for row in rows)
        assert {day.day: day.rows for day in days if day.log == name and day.rows} == by_day


def test_the_same_again_changes_nothing(landed: LandedLogs) -> None:
    events = EventMaker(5).events(traces=20)
    first = landed.land(events)
    again = landed.land(events)
    assert (sum(again.landed.values()), again.duplicates, again.withdrawn, again.days) == (0, len(events), 0, ())
    assert sum(first.landed.values()) == len(events)


def test_many_ingests_keep_few_runs_of_the_index(landed: LandedLogs) -> None:
    for hour in range(15):
        landed.land([("click", {"event_id": f"c{hour}", "event_time": START + timedelta(hours=hour), "trace_id": "t", "item_id": "i"})])
    with landed.engine.connect() as connection:
        files = index_files(connection)["click"]
    assert len(files) < 15
    assert all(landed.storage.exists(path) for path in files)
    assert landed.land([("click", {"event_id": "c0", "event_time": START, "trace_id": "t", "item_id": "i"})]).duplicates == 1


def test_json_lines_are_typed_and_broken_rows_rejected(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    good = {"event_time": "2024-03-01T10:00:00Z", "trace_id": "t1", "item_id": 7, "position": "2", "explored": 1}
    lines = [
        json.dumps(good),
        json.dumps(good),  # has the same identity: trace, item and position
        json.dumps(good | {"position": 3}),
        json.dumps({name: value for name, value in good.items() if name != "trace_id"}),
        json.dumps(good | {"event_time": "2023-03-01T10:00:00Z"}),
        json.dumps(good | {"position": "first"}),
        "{broken",
    ]
    path = tmp_path / "impressions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    storage = logs_storage(settings.warehouse_location)
    summary = ingest_logs(engine, storage, CATALOGUE, reader="jsonl", source=path, log="impression")
    rejected = {"malformed row": 1, "missing key": 1, "time out of range: event_time": 1, "wrong type: position": 1}
    assert (summary.landed, summary.duplicates, summary.rejected) == ({"impression": 2}, 1, rejected)
    kept = read_rejects(storage, summary.reject_files).to_pylist()
    assert sorted(row["source_row"] for row in kept) == [4, 5, 6, 7]
    with engine.connect() as connection:
        days = {day.day: (day.landed, day.rows, day.duplicate, day.rejected) for day in landed_days(connection)}
    assert days == {"2024-03-01": (5, 2, 1, 2), "unknown": (2, 0, 0, 2)}


def test_a_request_without_id_has_that_of_its_trace(landed: LandedLogs) -> None:
    landed.land([("request", {"event_id": None, "event_time": START, "trace_id": "t9"})])
    assert [row["event_id"] for row in stored_events(landed)["request"]] == ["t9"]


def test_a_step_without_identity_needs_an_id(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(json.dumps({"event_time": "2024-03-01", "item_id": "i", "user_id": "u"}), encoding="utf-8")
    summary = ingest_logs(engine, logs_storage(settings.warehouse_location), CATALOGUE, reader="jsonl", source=path, log="order")
    assert summary.rejected == {"missing value: event_id": 1}


def test_an_ingest_that_breaks_off_leaves_nothing(landed: LandedLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    events = EventMaker(6).events(traces=5)
    landed.land(events[:10])
    before = stored_events(landed)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "write", full)
        with pytest.raises(OSError, match="No space"):
            landed.land(events)
    assert stored_events(landed) == before


@pytest.mark.parametrize(
    ("reader", "log", "message"),
    [
        ("xml", "click", "unknown reader"),
        ("jsonl", "clik", "unknown log 'clik'.*'click'"),
        ("jsonl", "all", "does not say which log"),
        ("open_bandit", "click", "says itself which log"),
        ("online_retail", "all", "no log 'purchase'"),
    ],
)
def test_what_cannot_be_read_is_refused(engine: Engine, settings: Settings, tmp_path: Path, reader: str, log: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ingest_logs(engine, logs_storage(settings.warehouse_location), CATALOGUE, reader=reader, source=tmp_path, log=log)


def test_a_home_keeps_its_log_catalogue(landed: LandedLogs) -> None:
    landed.land(EventMaker(7).events(traces=2))
    declared = CATALOGUE.model_dump(mode="json", by_alias=True, exclude_unset=True)
    with landed.engine.begin() as connection:
        longer = declared["logs"] | {"order": declared["logs"]["order"] | {"window": "5 days"}}
        bind_log_catalogue(connection, type(CATALOGUE).model_validate(declared | {"logs": longer}))
        with pytest.raises(Conflict, match="bound to the log catalogue"):
            bind_log_catalogue(connection, type(CATALOGUE).model_validate(declared | {"name": "another"}))
        with pytest.raises(Conflict, match="changed in buckets"):
            bind_log_catalogue(connection, type(CATALOGUE).model_validate(declared | {"buckets": 7}))


def test_batches_of_unknown_logs_are_refused(landed: LandedLogs) -> None:
    from srp_assets.logs.landing import land_log_batches

    with pytest.raises(InvalidInput, match="unknown log 'view'"):
        land_log_batches(
            landed.engine, landed.storage, CATALOGUE, batches=[("view", pa.record_batch([pa.array([1])], ["a"]))], source="s", reader="r"
        )
