"""Builds against the reference: rows, counts, ledger; any order; replaced while somebody reads; broken off."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from resources.registry_database import open_registry
from srp_assets.errors import InvalidInput, SrpError, Unavailable
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.building import build_periods, keys_to_build, reading_tasks
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.plan_tables import snapshot_table
from srp_assets.warehouse.registry_builds import PeriodKey, current_builds, ledger, stale_periods
from srp_assets.warehouse.storage import Storage
from support.built import assert_built_as, built_rows, landed_keys
from support.generators import Ingest, ingests
from support.landed import LandedByReference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOGUES = {name: load_catalogue(PROJECT_ROOT / "examples" / name / "catalogue.yaml") for name in ("sample", "stackexchange")}


def comment(comment_id: int, day: datetime, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A raw comment of the sample catalogue."""
    row = {"comment_id": comment_id, "post_id": 7, "user_id": 1, "text": "first", "created_at": day, "updated_at": day}
    return "comment", row | changes


EXAMPLE_COST = 50
"""An example here is six histories, landed and built twice: it takes the place of this many cheap ones. At night there are twenty."""

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2, 3))


@pytest.fixture
def landed(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> LandedByReference:
    """A warehouse of the sample catalogue that nothing has landed in."""
    return LandedByReference(engine, storage, sample_catalogue)


@st.composite
def histories(draw: st.DrawFn, catalogue: Catalogue, *, count: int = 6) -> list[Ingest]:
    """Some independent histories side by side, each on products of its own, so that one Spark job judges all of them."""
    drawn = [draw(ingests(catalogue))[0] for _ in range(count)]
    longest = max(map(len, drawn))
    return [
        Ingest(f"{history[step].product}{number}", history[step].rows)
        for step in range(longest)
        for number, history in enumerate(drawn)
        if step < len(history)
    ]


@pytest.mark.parametrize("catalogue", CATALOGUES.values(), ids=list(CATALOGUES))
@given(data=st.data())
@hypothesis_settings(max_examples=max(1, hypothesis_settings.default.max_examples // EXAMPLE_COST))
def test_build_equals_the_reference(
    data: st.DataObject, catalogue: Catalogue, spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Built piece by piece in any order, or once for all: the same rows and counts as the reference, and every row accounted for."""
    catalogue = catalogue.model_copy(update={"products": "open"})
    history = data.draw(histories(catalogue))
    random = Random(data.draw(st.integers(0, 1000)))
    for builds_between in (1, 0):
        home = tmp_path_factory.mktemp("home")
        engine = open_registry(Settings(home=home))
        world = LandedByReference(engine, Storage(str(home / "warehouse")), catalogue)
        built_after = set(random.sample(range(len(history)), k=min(builds_between, len(history))))
        for number, ingest in enumerate(history):
            world.ingest(ingest.product, [(entity, row) for entity, rows in ingest.rows.items() for row in rows])
            if number in built_after:
                with engine.connect() as connection:
                    stale = stale_periods(connection)
                build_periods(spark, engine, world.storage, catalogue, random.sample(stale, k=random.randint(0, len(stale))))
        with engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(spark, engine, world.storage, catalogue, stale)
        assert_all_built_as(world)
        engine.dispose()


def assert_all_built_as(world: LandedByReference) -> None:
    """Asserts that the current builds are the reference's tables, and that the ledger accounts for every row."""
    with world.engine.connect() as connection:
        assert stale_periods(connection) == []
        builds = [build for entity in world.catalogue.entities for build in current_builds(connection, entity=entity)]
        accounts = ledger(connection)
    assert sorted(build.key for build in builds) == landed_keys(world.truth)
    assert_built_as(world.truth, world.storage, builds)
    changed = {key for key, partition in world.truth.partitions.items() if partition.landed or partition.tombstones}
    assert {(row.entity, row.product, row.period) for row in accounts} == changed
    assert all(row.built and row.balanced for row in accounts)


def test_moved_hidden_and_updated_rows(spark: "SparkSession", landed: LandedByReference) -> None:
    """A row that moves leaves its old period, one that is hidden leaves the visible rows, and comes back when it is shown again."""
    world, catalogue = landed, landed.catalogue
    world.ingest("aurora", [comment(1, JANUARY), comment(2, JANUARY), comment(3, JANUARY)])
    january, march = (PeriodKey("comment", "aurora", period) for period in ("2024-01", "2024-03"))
    build_periods(spark, world.engine, world.storage, catalogue, [january, march])
    reopened = world.ingest(
        "aurora",
        [
            comment(1, MARCH),
            comment(2, JANUARY, hidden=True, updated_at=FEBRUARY),
            comment(3, JANUARY, text="second", updated_at=FEBRUARY),
        ],
    )
    assert reopened == {january, march}
    first, third = build_periods(spark, world.engine, world.storage, catalogue, [january, march])
    assert_built_as(world.truth, world.storage, [first, third])
    assert (first.rows_visible, first.rows_hidden, first.moved, first.superseded) == (1, 1, 1, 2)
    assert [row["comment_id"] for row in built_rows(world.storage, catalogue, third)] == [1]
    world.ingest("aurora", [comment(2, JANUARY, hidden=False, updated_at=MARCH), comment(1, JANUARY, updated_at=FEBRUARY)])
    with world.engine.connect() as connection:
        assert stale_periods(connection) == [january]
    (again,) = build_periods(spark, world.engine, world.storage, catalogue, [january])
    assert_built_as(world.truth, world.storage, [again])
    assert (again.rows_visible, again.rows_hidden, again.moved) == (2, 0, 1)


def test_pending_rows_are_accounted_for_and_built_when_their_root_lands(spark: "SparkSession", engine: Engine, storage: Storage) -> None:
    """A Stack Exchange comment waits for its question, counted as pending, and is in the table after it."""
    catalogue = CATALOGUES["stackexchange"]
    world = LandedByReference(engine, storage, catalogue)
    times = {"CreationDate": "2024-01-05T10:00:00"}
    world.ingest("french", [("comment", {"Id": "1", "PostId": "50", "Text": "why?", **times})])
    (key,) = keys = [PeriodKey("comment", "french", "2024-01")]
    with engine.connect() as connection:
        (account,) = ledger(connection)
        assert stale_periods(connection) == []
    assert (account.landed, account.pending, account.in_table, account.balanced) == (1, 1, 0, True)
    world.ingest("french", [("post", {"Id": "50", "PostTypeId": "1", "Title": "A question", **times})])
    with engine.connect() as connection:
        assert key in stale_periods(connection)
    (build,) = build_periods(spark, engine, storage, catalogue, keys)
    assert_built_as(world.truth, storage, [build])
    assert build.rows_visible == 1
    with engine.connect() as connection:
        (account,) = ledger(connection, entity="comment")
    assert (account.landed, account.pending, account.in_table, account.balanced, account.built) == (1, 0, 1, True, True)


def test_empty_period_gets_a_build(spark: "SparkSession", landed: LandedByReference) -> None:
    """Also where nothing has landed a build says so, without a file."""
    landed.ingest("aurora", [comment(1, JANUARY)])
    keys = [PeriodKey("comment", "aurora", period) for period in ("2024-01", "2024-02")]
    january, february = build_periods(spark, landed.engine, landed.storage, landed.catalogue, keys)
    assert (february.rows_visible, february.rows_hidden, february.files) == (0, 0, ())
    assert january.rows_visible == 1


def test_reader_keeps_its_snapshot_while_periods_are_rebuilt(spark: "SparkSession", landed: LandedByReference) -> None:
    """Who planned on builds reads exactly them after the switch; who plans later reads the new ones."""
    entity = landed.catalogue.entities["comment"]
    landed.ingest("aurora", [comment(1, JANUARY), comment(2, FEBRUARY)])
    keys = [PeriodKey("comment", "aurora", period) for period in ("2024-01", "2024-02")]
    old = build_periods(spark, landed.engine, landed.storage, landed.catalogue, keys)
    assert [build.rows_visible for build in old] == [1, 1]
    reader = snapshot_table(spark, landed.storage, "comment", entity, old)
    landed.ingest("aurora", [comment(1, JANUARY, text="second", updated_at=MARCH), comment(3, FEBRUARY)])
    build_periods(spark, landed.engine, landed.storage, landed.catalogue, keys)
    with landed.engine.connect() as connection:
        new = current_builds(connection, entity="comment")
    assert sorted(row["text"] for row in reader.collect()) == ["first", "first"]
    fresh = snapshot_table(spark, landed.storage, "comment", entity, new)
    assert sorted((row["comment_id"], row["text"]) for row in fresh.collect()) == [(1, "second"), (2, "first"), (3, "first")]


def test_interrupted_build_leaves_the_old_one(spark: "SparkSession", landed: LandedByReference) -> None:
    """A build whose landing cannot be read fails as a whole: no record, no file, the old table stays."""
    landed.ingest("aurora", [comment(1, JANUARY)])
    keys = [PeriodKey("comment", "aurora", "2024-01"), PeriodKey("comment", "aurora", "2024-02")]
    (before, _) = build_periods(spark, landed.engine, landed.storage, landed.catalogue, keys)
    landed.ingest("aurora", [comment(2, JANUARY), comment(3, FEBRUARY)])
    _newest_file(landed).write_bytes(b"no parquet")
    with pytest.raises(Unavailable, match="could not build: Unavailable: .*a landing file cannot be read: Parquet magic") as refused:
        build_periods(spark, landed.engine, landed.storage, landed.catalogue, keys)
    assert "\n" not in str(refused.value)
    with landed.engine.connect() as connection:
        assert current_builds(connection, entity="comment")[0].build_id == before.build_id
        assert len(stale_periods(connection)) == 2
    assert len(list(Path(landed.storage.path("builds/comment")).iterdir())) == 1


def _newest_file(landed: LandedByReference) -> Path:
    return max(Path(landed.storage.path("landing/comment/rows")).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def test_missing_landing_file_is_named(spark: "SparkSession", landed: LandedByReference) -> None:
    """Landing that somebody deleted is never taken for an empty period."""
    landed.ingest("aurora", [comment(1, JANUARY)])
    _newest_file(landed).unlink()
    with pytest.raises(SrpError, match="missing"):
        build_periods(spark, landed.engine, landed.storage, landed.catalogue, [PeriodKey("comment", "aurora", "2024-01")])


def test_unknown_names_are_refused(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> None:
    """A misspelt entity or product is named with the nearest valid one."""
    with pytest.raises(InvalidInput, match="did you mean 'comment'"):
        build_periods(None, engine, storage, sample_catalogue, [PeriodKey("coment", "aurora", "2024-01")])  # type: ignore[arg-type]
    with engine.connect() as connection, pytest.raises(InvalidInput, match="did you mean 'aurora'"):
        keys_to_build(connection, sample_catalogue, "comment", ["2024-01"], limit_to=["auroa"])


def test_reading_is_spread_evenly(landed: LandedByReference, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is read exactly once, a large one by several tasks."""
    landed.ingest("aurora", [comment(number, day) for number in range(60) for day in (JANUARY, FEBRUARY, MARCH)])
    landed.ingest("aurora", [comment(999, JANUARY)])
    with landed.engine.connect() as connection:
        stale = stale_periods(connection)
    files = {key: _files(landed, key) for key in stale}
    monkeypatch.setattr("srp_assets.warehouse.building.TASK_BYTES", 1000)
    tasks = reading_tasks(landed.storage, files)
    read = sorted(part for task in tasks for part in task)
    assert len(tasks) > 3
    assert all(tasks)
    assert len(set(read)) == len(read)
    for path in {part.path for part in read}:
        parts = [part for part in read if part.path == path]
        assert [part.part for part in parts] == list(range(parts[0].parts))
    assert {part.path for part in read} == {path for period_files in files.values() for path in period_files}


def _files(landed: LandedByReference, key: PeriodKey) -> list[str]:
    from srp_assets.warehouse.registry import landing_files

    with landed.engine.connect() as connection:
        return landing_files(connection, [key], 99)[key]
