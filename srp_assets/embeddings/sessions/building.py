"""Building sequences day by day, and reading a window of days.

A day is a function of the built logs of the day and of those into which its sessions reach, and of the rules. It is stale when one of these
was built again: labels that became final make other sessions booked ones.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.registry import SequencesBuild, current_sequences, forget_sequences, record_sequences, retired_sequences
from srp_assets.embeddings.sessions.rules import REASONS
from srp_assets.embeddings.sessions.session_files import SequenceFiles, sequences_schema
from srp_assets.errors import Conflict
from srp_assets.logs.tables import BuiltDay, built_days
from srp_assets.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REACH_DAYS = 1
"""Days after its own into which a day's sessions are looked for. One that goes on for longer is a robot's, and loses its end."""


def stale_days(connection: Connection, places: EmbeddingPlaces) -> list[str]:
    """The days that could be built and are not, or were made from other builds than the current ones."""
    built = current_sequences(connection, places.declared.sessions_digest)
    logs = built_days(connection, "sessions")
    return [day for day in logs if day not in built or built[day].reads != _reads(logs, day)]


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    places: EmbeddingPlaces,
    days: Iterable[str],
    *,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[SequencesBuild]:
    """Builds days and makes the builds current; returns those that are current for the days then.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read and write.
        days: which, as 2024-03-09.
        only_changed: leaves out what is built from the current builds, and what cannot be built yet.
        run_id: recorded with the builds.
        progress: told what is being done.

    Raises:
        Conflict: if the logs of a day are not built, or sessions got lost.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    wanted = sorted(set(days))
    with engine.connect() as connection:
        logs, stale = built_days(connection, "sessions"), set(stale_days(connection, places))
    if only_changed:
        wanted = [day for day in wanted if day in logs]
    for day in wanted:
        if day not in logs:
            raise Conflict("the logs are not built", where=f"embeddings/sequences of {day}", remedy="build the logs of this day first")
    waiting = [day for day in wanted if not only_changed or day in stale]
    for number, day in enumerate(waiting):
        if progress:
            progress(f"sequences of {day}", number, len(waiting))
        build = _build(spark, engine, places, day, run_id)
        with engine.begin() as connection:
            record_sequences(connection, [build])
    with engine.connect() as connection:
        current = current_sequences(connection, places.declared.sessions_digest)
    return [current[day] for day in wanted if day in current]


def delete_old_sequences(engine: Engine, places: EmbeddingPlaces, before: datetime) -> int:
    """Deletes builds that were replaced before a time; returns how many. Files go before their record, so a call may be repeated."""
    with engine.connect() as connection:
        retired = retired_sequences(connection, before)
    for build in retired:
        places.embeddings.delete_tree(build.folder)
    with engine.begin() as connection:
        forget_sequences(connection, [build.build_id for build in retired])
    return len(retired)


def read_sequences(places: EmbeddingPlaces, builds: Sequence[SequencesBuild], columns: list[str] | None = None) -> pa.Table:
    """The sequences of some days."""
    schema = sequences_schema(places.declared.users.columns)
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    paths = [path for build in builds for path in build.files]
    return pa.concat_tables([wanted.empty_table(), *(places.embeddings.read(path, wanted.names).cast(wanted) for path in paths)])


def _build(spark: "SparkSession", engine: Engine, places: EmbeddingPlaces, day: str, run_id: str | None) -> SequencesBuild:
    """Writes a day below a folder of its own, which stays only if all of it is there."""
    from srp_assets.embeddings.sessions.plan_sessions import write_sequences

    rules, columns = places.declared.sessions, places.declared.users.columns
    folder = f"sequences/{uuid4().hex}/day={day}"
    with engine.connect() as connection:
        first, last = day, _after(day, REACH_DAYS)
        sessions = built_days(connection, "sessions", first, last)
        actions = built_days(connection, "actions", first, last)
        outcomes = built_days(connection, "impression_outcomes", first, last)
    files = SequenceFiles(places.embeddings, folder, rules, columns)
    try:
        manifests = write_sequences(spark, places.logs, places.log_catalogue, sessions[day], actions.values(), outcomes.values(), files)
        counts: dict[str, int] = dict.fromkeys(("sessions", "booked", "items", *REASONS), 0)
        for manifest in manifests:
            for name, count in manifest["counts"].items():
                counts[name] += count
        rows = sum(manifest["rows"] for manifest in manifests)
        if rows + sum(counts[reason] for reason in REASONS) != sessions[day].rows:
            raise Conflict(
                f"{rows:,} sequences and the dropped sessions are not the {sessions[day].rows:,} sessions",
                where=f"embeddings/sequences of {day}",
                remedy="build again; if it stays so, session_id is not unique among the sessions",
            )
    except BaseException:
        places.embeddings.delete_tree(folder)
        raise
    return SequencesBuild(
        0,
        places.declared.sessions_digest,
        day,
        _reads(sessions, day),
        max(found.build_id for found in sessions.values()),
        folder,
        tuple(manifest["path"] for manifest in manifests if manifest["path"]),
        rows,
        counts,
        datetime.now(UTC),
        run_id,
    )


def _reads(logs: dict[str, BuiltDay], day: str) -> str:
    """The digest of the builds that decide about a day: the tables of a day of logs are built together."""
    around = [day, *(_after(day, number) for number in range(1, REACH_DAYS + 1))]
    return sha256(json.dumps([logs[other].build_id for other in around if other in logs]).encode()).hexdigest()


def _after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def window(connection: Connection, places: EmbeddingPlaces, last: str, days: int) -> list[SequencesBuild]:
    """The current builds of the `days` days that end with `last`."""
    return list(current_sequences(connection, places.declared.sessions_digest, _after(last, 1 - days), last).values())


def all_items(sequences: pa.Table) -> pa.ChunkedArray:
    """Every item that was clicked or booked, as often as it was."""
    clicked = pc.list_flatten(sequences["items"])
    return pa.chunked_array([*clicked.chunks, *sequences["booked"].drop_null().chunks], pa.string())
