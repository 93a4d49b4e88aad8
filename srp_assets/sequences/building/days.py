"""Building sequences: what is kept of months, once for all requests, and the stages of the requests of days.

What is kept of a month is a function of its actions; a month whose logs were built again is stale. The stages of a day read the months
before its own as they are kept, and of its own month the raw actions of the users who ask. A day is stale when logs that its
portraits reach, its requests, what was served on it, or the vectors are others than it was made from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Connection, Engine

from srp_assets.errors import Conflict
from srp_assets.features.building.days import days_before, version_files
from srp_assets.logs.tables import BuiltDay, built_days, landed_log_files
from srp_assets.progress import Progress
from srp_assets.sequences.building.actions import ActionFiles, kept_schema
from srp_assets.sequences.building.columns import USER
from srp_assets.sequences.building.plan_months import Month, write_month
from srp_assets.sequences.building.plan_requests import requests_of
from srp_assets.sequences.building.plan_stages import WrittenStages, write_stages
from srp_assets.sequences.building.stage_job import Job
from srp_assets.sequences.places import SequencePlaces, digest_of
from srp_assets.sequences.registry import SequenceBuild, current_builds, forget_builds, record_builds, retired_builds, served_files
from srp_assets.warehouse.plan_tasks import rows_of
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class DayReads:
    """What the stages of a day are made from: the digest of it, and the newest build of logs among it."""

    digest: str
    newest: int


def inputs_of(connection: Connection, places: SequencePlaces) -> dict[str, DayReads]:
    """The days of which logs are built, with what their stages are made from."""
    actions, shown = built_days(connection, "actions"), built_days(connection, "impression_outcomes")
    served = served_files(connection)
    landed = _landed(connection, places, list(actions))
    found = {}
    for day in actions:
        first = days_before(day, places.document.portrait.days)
        ids = [own.build_id for other, own in actions.items() if first <= other <= day]
        ids += [shown[other].build_id for other in (day, days_before(day, -1)) if other in shown]
        files = [file.path for file in served.get(day, [])]
        found[day] = DayReads(digest_of([ids, files, landed.get(day, [])]), max(ids))
    return found


def _landed(connection: Connection, places: SequencePlaces, days: Sequence[str]) -> dict[str, list[str]]:
    """The files of served features by day: they name candidates."""
    log = places.logs.of_role("served_features")
    if log is None or not days:
        return {}
    return {day: list(files.rows) for day, files in landed_log_files(connection, log.name, min(days), max(days)).items()}


def stale_days(connection: Connection, places: SequencePlaces) -> list[str]:
    """The days whose stages are not built, or were made from something else than what counts now."""
    built = current_builds(connection, "stages", places.current(connection).identity("stages"))
    inputs = inputs_of(connection, places)
    return [day for day, reads in inputs.items() if day not in built or built[day].reads != reads.digest]


def newest_builds(connection: Connection, places: SequencePlaces) -> dict[str, SequenceBuild]:
    """The newest stages of each day, whatever version of vectors they were searched with: their rows say which."""
    found: dict[str, SequenceBuild] = {}
    for identity in places.identities(connection):
        for day, build in current_builds(connection, "stages", identity).items():
            if day not in found or build.build_id > found[day].build_id:
                found[day] = build
    return found


def reopened_days(connection: Connection, places: SequencePlaces) -> list[str]:
    """The days whose stages are not built, or were made from other logs than those that count now.

    A new version of vectors reopens nothing: what was served before was searched with the version before.
    """
    built = newest_builds(connection, places)
    return [day for day, reads in inputs_of(connection, places).items() if day not in built or built[day].reads != reads.digest]


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    places: SequencePlaces,
    days: Iterable[str],
    *,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[SequenceBuild]:
    """Builds the stages of days, and what is kept of the months that they read; returns the builds that are current for the days then.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read and write.
        days: which, as 2024-03-09.
        only_changed: leaves out days that are built from what counts now, and those without logs.
        run_id: recorded with the builds.
        progress: told what is being done.

    Raises:
        Conflict: if the logs of a day are not built.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    wanted = sorted(set(days))
    with engine.connect() as connection:
        places = places.current(connection)
        inputs = inputs_of(connection, places)
        stale = set(stale_days(connection, places))
    if only_changed:
        wanted = [day for day in wanted if day in inputs]
    missing = [day for day in wanted if day not in inputs]
    if missing:
        raise Conflict(f"the logs of {missing[0]} are not built", where="sequences/stages", remedy="build the logs of these days first")
    waiting = [day for day in wanted if not only_changed or day in stale]
    for number, span in enumerate(spans := _by_month(waiting)):
        if progress:
            progress(f"building sequences of {span[0]} to {span[-1]}", number, len(spans))
        kept = _months(spark, engine, places, span, run_id)
        builds = _stages(spark, engine, places, span, [build.folder for build in kept], inputs, run_id)
        with engine.begin() as connection:
            record_builds(connection, builds)
    with engine.connect() as connection:
        current = current_builds(connection, "stages", places.identity("stages"))
    return [current[day] for day in wanted if day in current]


def _by_month(days: Sequence[str]) -> list[list[str]]:
    months: dict[str, list[str]] = {}
    for day in days:
        months.setdefault(day[:7], []).append(day)
    return list(months.values())


def _months(spark: "SparkSession", engine: Engine, places: SequencePlaces, span: Sequence[str], run_id: str | None) -> list[SequenceBuild]:
    """What is kept of the months before that of some days which their portraits reach; what is missing or stale is built."""
    first = days_before(span[0], places.document.portrait.days)
    identity, own = places.identity("months"), span[0][:7]
    with engine.connect() as connection:
        actions = {day: built for day, built in built_days(connection, "actions").items() if first[:7] <= day[:7] < own}
        current = current_builds(connection, "months", identity)
    found = []
    for days in _by_month(list(actions)):
        month, reads = days[0][:7], digest_of([actions[day].build_id for day in days])
        if month not in current or current[month].reads != reads:
            current[month] = _built_month(spark, places, month, {day: actions[day] for day in days}, reads, run_id)
            with engine.begin() as connection:
                record_builds(connection, [current[month]])
        found.append(current[month])
    return found


def _built_month(
    spark: "SparkSession", places: SequencePlaces, month: str, actions: Mapping[str, BuiltDay], reads: str, run_id: str | None
) -> SequenceBuild:
    folder = f"months/{month}/{uuid4().hex}"
    paths = tuple(path for day in actions.values() for path in day.paths)
    read = ActionFiles(places.features.logs, paths, kept_schema(places.document, places.layout.definitions))
    try:
        kept = write_month(spark, read, Month(places.sequences, folder, places.keep, places.buckets))
    except BaseException:
        places.sequences.delete_tree(folder)
        raise
    newest = max(day.build_id for day in actions.values())
    return SequenceBuild(
        build_id=0,
        table="months",
        identity=places.identity("months"),
        period=month,
        reads=reads,
        newest_read=newest,
        folder=folder,
        files=tuple(kept.paths.values()),
        rows=kept.rows,
        bytes=kept.bytes,
        figures={"dropped": kept.dropped},
        built_at=datetime.now(UTC),
        run_id=run_id,
    )


def _stages(
    spark: "SparkSession",
    engine: Engine,
    places: SequencePlaces,
    span: Sequence[str],
    months: Sequence[str],
    inputs: Mapping[str, DayReads],
    run_id: str | None,
) -> list[SequenceBuild]:
    """Writes the stages of days of one month below a folder of their own, which stays only if all of it is there."""
    run = f"stages/{uuid4().hex}"
    definitions = places.layout.definitions
    schema = kept_schema(places.document, definitions)
    with engine.connect() as connection:
        versions = version_files(connection, places.features, places.layout, last_ingest(connection))
        requests = requests_of(spark, connection, places, span)
        reached = built_days(connection, "actions", days_before(span[0], places.document.portrait.days), span[-1])
        served = served_files(connection, span[0], span[-1]) if places.portraits == "logged" else {}
    storage, logs = places.sequences, places.features.logs
    own = tuple(path for day, built in reached.items() if day[:7] == span[0][:7] for path in built.paths)
    everything = tuple(path for built in reached.values() for path in built.paths)
    month, asking = f"{run}/month", f"{run}/asking.parquet"
    try:
        # Nobody else's actions are looked at.
        storage.write(asking, rows_of(requests.select(USER).distinct()))
        write_month(spark, ActionFiles(logs, own, schema), Month(storage, month, places.keep, places.buckets, asking))
        vectors = places.vectors[:2] if places.vectors else None
        logged = [file.path for files in served.values() for file in files]
        folders = [*months, month]
        job = Job(places.document, definitions, versions, storage, folders, run, places.buckets, places.split_rows, vectors, logged=logged)
        written = write_stages(requests, ActionFiles(logs, everything, schema), job)
    except BaseException:
        storage.delete_tree(run)
        raise
    storage.delete_tree(month)
    storage.filesystem.delete_file(storage.path(asking))
    return [_day_build(places, day, inputs[day], run, written, run_id) for day in span]


def _day_build(places: SequencePlaces, day: str, reads: DayReads, run: str, written: WrittenStages, run_id: str | None) -> SequenceBuild:
    figures = {"requests": written.requests.get(day, 0), "short": written.short.get(day, 0)}
    if places.portraits == "logged":
        figures["logged"] = written.logged.get(day, 0)
    return SequenceBuild(
        build_id=0,
        table="stages",
        identity=places.identity("stages"),
        period=day,
        reads=reads.digest,
        newest_read=reads.newest,
        folder=f"{run}/day={day}",
        files=tuple(sorted(written.files.get(day, []))),
        rows=written.rows.get(day, 0),
        bytes=written.bytes.get(day, 0),
        figures=figures,
        built_at=datetime.now(UTC),
        run_id=run_id,
    )


def delete_old_builds(engine: Engine, storage: Storage, before: datetime) -> int:
    """Deletes builds that were replaced before a time; returns how many. Files go before their record, so a call may be repeated."""
    with engine.connect() as connection:
        retired = retired_builds(connection, before)
    for build in retired:
        for path in build.files:
            if storage.exists(path):
                storage.filesystem.delete_file(storage.path(path))
    with engine.begin() as connection:
        forget_builds(connection, [build.build_id for build in retired])
    return len(retired)
