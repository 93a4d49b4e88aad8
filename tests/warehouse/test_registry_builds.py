"""The switch of builds, what is stale, the ledger and the retention, in the registry alone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.warehouse.registry import Counts, commit_ingest, open_ingest
from srp_assets.warehouse.registry_builds import (
    Build,
    BuildFile,
    PeriodKey,
    builds_of_run,
    current_builds,
    ledger,
    record_builds,
    stale_periods,
)
from srp_assets.warehouse.retention import delete_old_builds
from srp_assets.warehouse.storage import Storage

KEY = PeriodKey("post", "aurora", "2024-01")


def land(engine: Engine, **counts: int) -> int:
    """Records an ingest of `KEY` with these counts."""
    with engine.begin() as connection:
        ingest_id, _ = open_ingest(connection, reader="test", source="test", product=KEY.product, entity=None, now=datetime.now(UTC))
        commit_ingest(connection, ingest_id, counts={KEY: Counts(**counts)}, states={}, summary={})
    return ingest_id


def build(through: int, *, rows: int = 1, run_id: str | None = None, folder: str = "builds/post/a", key: PeriodKey = KEY) -> Build:
    """A build of one file."""
    file = BuildFile(f"{folder}/product={key.product}/visible=true/period={key.period}/x.parquet", True, 0, rows, 10)
    return Build(0, *key, through, rows, 0, 0, 0, (file,), datetime.now(UTC), run_id)


def test_switch_replaces_and_never_goes_back(engine: Engine) -> None:
    """The build of what landed last is the table, in whatever order builds are recorded."""
    with engine.begin() as connection:
        (first,) = record_builds(connection, [build(1)])
        (second,) = record_builds(connection, [build(2)])
        (late,) = record_builds(connection, [build(1)])
        assert len({first.build_id, second.build_id, late.build_id}) == 3
        assert current_builds(connection, entity="post") == [second]
        other = PeriodKey("post", "lotus", "2024-02")
        record_builds(connection, [build(2, rows=5), build(2, key=other)])
        assert [(found.product, found.rows_visible) for found in current_builds(connection, entity="post")] == [("aurora", 5), ("lotus", 1)]
        assert [found.key for found in current_builds(connection, entity="post", first="2024-02")] == [other]
        assert [found.key for found in current_builds(connection, entity="post", last="2024-01", products=["lotus"])] == []


def test_switch_that_fails_changes_nothing(engine: Engine) -> None:
    """One transaction: all of a run's builds become current, or none."""
    with engine.begin() as connection:
        record_builds(connection, [build(1)])
    with engine.connect() as connection:
        record_builds(connection, [build(2)])
        connection.rollback()
    with engine.connect() as connection:
        assert [found.through_ingest for found in current_builds(connection, entity="post")] == [1]


def test_stale_is_what_reopened(engine: Engine) -> None:
    """Stored rows and tombstones reopen a period; duplicates, pending rows and rejects do not."""
    first = land(engine, landed=2, stored=2)
    with engine.begin() as connection:
        assert stale_periods(connection) == [KEY]
        assert stale_periods(connection, through=first - 1) == []
        record_builds(connection, [build(first)])
        assert stale_periods(connection) == []
    land(engine, landed=3, duplicate=1, pending=1, rejected=1)
    with engine.connect() as connection:
        assert stale_periods(connection) == []
    moved = land(engine, tombstones=1)
    with engine.connect() as connection:
        assert stale_periods(connection) == [KEY]
        assert stale_periods(connection, through=moved - 1) == []
        assert stale_periods(connection, entity="comment") == []
        assert stale_periods(connection, products=["lotus"]) == []
        assert stale_periods(connection, first="2024-02") == []
        assert stale_periods(connection, last="2023-12") == []


def test_ledger_as_of_a_run(engine: Engine) -> None:
    """The ledger of a run counts what had landed when it built, also after more has landed and another run has built."""
    first = land(engine, landed=3, stored=2, duplicate=1)
    with engine.begin() as connection:
        record_builds(connection, [build(first, rows=1, run_id="one"), build(first, rows=2, run_id="one")])
    second = land(engine, landed=1, stored=1)
    with engine.connect() as connection:
        (now,) = ledger(connection)
        assert (now.landed, now.in_table, now.built, now.balanced) == (4, 2, False, False)
        (then,) = ledger(connection, run_id="one")
        assert (then.landed, then.in_table, then.duplicate, then.built, then.balanced) == (3, 2, 1, True, True)
    with engine.begin() as connection:
        record_builds(connection, [build(second, rows=3, run_id="two")])
    with engine.connect() as connection:
        assert [row.balanced for row in (*ledger(connection), *ledger(connection, run_id="one"), *ledger(connection, run_id="two"))] == [
            True
        ] * 3
        assert ledger(connection, run_id="three") == []
        assert [found.through_ingest for found in builds_of_run(connection, "two", entity="post")] == [second]


def test_retention(engine: Engine, storage: Storage) -> None:
    """Replaced builds go after the retention, with their records; current ones and running ones stay."""
    old, new, running, abandoned = (f"builds/post/{name}" for name in ("old", "new", "running", "abandoned"))
    table = pa.table({"post_id": [1]})
    with engine.begin() as connection:
        for number, folder in enumerate((old, new)):
            made = build(number, folder=folder)
            storage.write(made.files[0].path, table)
            record_builds(connection, [made])
    for folder in (running, abandoned):
        storage.write(f"{folder}/x.parquet", table)
    two_days_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for path in (abandoned, f"{abandoned}/x.parquet"):
        os.utime(storage.path(path), (two_days_ago, two_days_ago))
    assert delete_old_builds(engine, storage, datetime.now(UTC) - timedelta(hours=1)) == (0, 1)
    assert storage.folders("builds/post") == ["new", "old", "running"]
    assert delete_old_builds(engine, storage, datetime.now(UTC) + timedelta(hours=1)) == (1, 0)
    assert not list(Path(storage.path(old)).rglob("*.parquet"))
    with engine.connect() as connection:
        (kept,) = current_builds(connection, entity="post")
    assert storage.exists(kept.files[0].path)
    assert storage.exists(f"{running}/x.parquet")
