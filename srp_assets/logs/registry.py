"""The logs' tables in the registry database: the home's log catalogue, ingests, what they landed by day, the index of event ids.

Builds of days are in `registry_builds.py`. What an ingest landed is visible from the one transaction on that commits it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.errors import Conflict
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.schema import log_schema
from srp_assets.warehouse.periods import UNKNOWN

metadata = sa.MetaData()

catalogue_table = sa.Table(
    "logs_catalogue",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("declaration", sa.JSON, nullable=False),
    sa.Column("bound_at", UtcDateTime, nullable=False),
)

ingest = sa.Table(
    "logs_ingest",
    metadata,
    sa.Column("ingest_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("log", sa.String, nullable=False),
    sa.Column("reader", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("landed_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("summary", sa.JSON),
)

landing = sa.Table(
    "logs_landing",
    metadata,
    sa.Column("ingest_id", Identifier, sa.ForeignKey("logs_ingest.ingest_id"), primary_key=True, autoincrement=False),
    sa.Column("log", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("landed", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, nullable=False),
    sa.Column("duplicate", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("withdrawals", sa.JSON, nullable=False),
    sa.Index("ix_logs_landing_day", "log", "day"),
)

event_index = sa.Table(
    "logs_event_index",
    metadata,
    sa.Column("log", sa.String, primary_key=True),
    sa.Column("files", sa.JSON, nullable=False),
)


@dataclass
class DayCounts:
    """What one ingest changed in one (log, day).

    Of the rows that landed each is stored, a duplicate or rejected; `withdrawn` are rows that earlier ingests stored and that an earlier
    arrival beat now. `withdrawals` are the files that name them.
    """

    landed: int = 0
    stored: int = 0
    withdrawn: int = 0
    duplicate: int = 0
    rejected: int = 0
    files: list[str] = field(default_factory=list)
    withdrawals: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not any(getattr(self, item.name) for item in fields(self))


@dataclass(frozen=True)
class LandedDay:
    """What landed of a log for a day, over all ingests.

    Args:
        log: its name.
        day: of the events, or `unknown`.
        landed: rows that came.
        stored: rows that were the first arrival of their event when they came.
        withdrawn: of those, the ones that an earlier arrival beat later on; they are duplicates then.
        duplicate: rows that were not the first arrival when they came.
        rejected: rows that could not land.
        last_ingest: the newest ingest that stored or withdrew a row here, 0 if none did.
    """

    log: str
    day: str
    landed: int
    stored: int
    withdrawn: int
    duplicate: int
    rejected: int
    last_ingest: int

    @property
    def rows(self) -> int:
        """The events that count."""
        return self.stored - self.withdrawn

    @property
    def balanced(self) -> bool:
        """Contract 7 of landing: every row that came counts, is a duplicate or was rejected."""
        return self.landed == self.stored + self.duplicate + self.rejected


@dataclass(frozen=True)
class LandedFiles:
    """The files of a log's day: rows, and the events among them that were withdrawn."""

    rows: tuple[str, ...] = ()
    withdrawals: tuple[str, ...] = ()


def bind_log_catalogue(connection: Connection, catalogue: LogCatalogue) -> None:
    """Binds the home to a log catalogue, or checks that it is bound to this one; declarations that need no new landing may change.

    Raises:
        Conflict: if the home is bound to another one, or what landed was laid out by another declaration.
    """
    bound = connection.execute(sa.select(catalogue_table)).one_or_none()
    values = {
        "name": catalogue.name,
        "digest": catalogue.digest,
        "declaration": catalogue.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }
    if bound is None:
        connection.execute(catalogue_table.insert().values(bound_at=datetime.now(UTC), **values))
        return
    if bound.digest == catalogue.digest:
        return
    if bound.name != catalogue.name:
        raise Conflict(
            f"this home is bound to the log catalogue {bound.name!r}, not {catalogue.name!r}",
            where="SRP_LOGS",
            remedy="use another SRP_HOME for another log catalogue",
        )
    changed = _layout_change(LogCatalogue.model_validate(bound.declaration), catalogue)
    if changed and connection.execute(sa.select(landing.c.ingest_id).limit(1)).first() is not None:
        raise Conflict(
            f"the log catalogue {catalogue.name!r} changed in {changed}, by which what landed is laid out",
            where="SRP_LOGS",
            remedy="undo that change, or land everything again in another SRP_HOME",
        )
    connection.execute(catalogue_table.update().values(**values))


def _layout_change(before: LogCatalogue, after: LogCatalogue) -> str | None:
    if after.first_day > before.first_day:
        return "first_day"
    if after.buckets != before.buckets:
        return "buckets"
    for name, log in before.logs.items():
        if name not in after.logs:
            return f"logs.{name}"
        new = after.logs[name]
        if new.role != log.role or new.identity != log.identity:
            return f"logs.{name}"
        if log_schema(new) != log_schema(log):
            return f"logs.{name}.columns"
    return None


def open_ingest(connection: Connection, *, log: str, reader: str, source: str, now: datetime) -> tuple[int, datetime]:
    """Opens an ingest; returns its id and its landed_at, which is later than that of every ingest before it.

    Open ingests of others have died, since ingests take turns: they are marked so.
    """
    connection.execute(ingest.update().where(ingest.c.state == "open").values(state="failed", finished_at=now))
    last = connection.execute(sa.select(sa.func.max(ingest.c.landed_at))).scalar_one()
    landed_at = now if last is None else max(now, last + timedelta(microseconds=1))
    opened = ingest.insert().values(state="open", started_at=now, landed_at=landed_at, log=log, reader=reader, source=source)
    key = connection.execute(opened).inserted_primary_key
    if key is None:
        raise Conflict("the registry gave an ingest no id")
    return int(key[0]), landed_at


def commit_ingest(
    connection: Connection,
    ingest_id: int,
    *,
    counts: Mapping[tuple[str, str], DayCounts],
    index_files: Mapping[str, Iterable[str]],
    summary: Mapping[str, Any],
) -> None:
    """Makes all that an ingest landed visible.

    Args:
        connection: in the transaction that does it.
        ingest_id: an open ingest.
        counts: by (log, day).
        index_files: the new index of event ids, by log.
        summary: what the ingest tells its user.

    Raises:
        Conflict: if the ingest is not open any more.
    """
    rows = [
        {"ingest_id": ingest_id, "log": log, "day": day} | {item.name: getattr(change, item.name) for item in fields(change)}
        for (log, day), change in sorted(counts.items())
        if not change.is_empty
    ]
    if rows:
        connection.execute(landing.insert(), rows)
    for log, files in index_files.items():
        if connection.execute(event_index.update().where(event_index.c.log == log).values(files=list(files))).rowcount == 0:
            connection.execute(event_index.insert().values(log=log, files=list(files)))
    finished = ingest.update().where((ingest.c.ingest_id == ingest_id) & (ingest.c.state == "open"))
    if connection.execute(finished.values(state="committed", finished_at=datetime.now(UTC), summary=dict(summary))).rowcount != 1:
        raise Conflict("another process took this ingest's turn", remedy="ingest again")


def fail_ingest(connection: Connection, ingest_id: int, message: str) -> None:
    """Marks an ingest as failed; none of its rows landed."""
    failed = ingest.update().where((ingest.c.ingest_id == ingest_id) & (ingest.c.state == "open"))
    connection.execute(failed.values(state="failed", finished_at=datetime.now(UTC), summary={"error": message}))


def index_files(connection: Connection) -> dict[str, list[str]]:
    """The index of event ids of each log that has one."""
    return {row.log: list(row.files) for row in connection.execute(sa.select(event_index))}


def last_ingest(connection: Connection) -> int:
    """The newest committed ingest, 0 if there is none."""
    return connection.execute(sa.select(sa.func.max(ingest.c.ingest_id)).where(ingest.c.state == "committed")).scalar_one() or 0


def landed_days(
    connection: Connection, *, log: str | None = None, first: str | None = None, last: str | None = None, through: int | None = None
) -> list[LandedDay]:
    """What landed by log and day, in this order; `first` and `last` are both included, `unknown` comes only where neither is asked for."""
    counted = ("landed", "stored", "withdrawn", "duplicate", "rejected")
    changed = (landing.c.stored > 0) | (landing.c.withdrawn > 0)
    statement = sa.select(
        landing.c.log,
        landing.c.day,
        *[sa.func.sum(landing.c[name]) for name in counted],
        sa.func.max(sa.case((changed, landing.c.ingest_id), else_=0)),
    )
    if log is not None:
        statement = statement.where(landing.c.log == log)
    if first is not None:
        statement = statement.where(landing.c.day >= first, landing.c.day != UNKNOWN)
    if last is not None:
        statement = statement.where(landing.c.day <= last)
    if through is not None:
        statement = statement.where(landing.c.ingest_id <= through)
    rows = connection.execute(statement.group_by(landing.c.log, landing.c.day).order_by(landing.c.log, landing.c.day))
    return [LandedDay(row[0], row[1], *map(int, row[2:])) for row in rows]


def landed_files(connection: Connection, log: str, first: str, last: str, through: int) -> dict[str, LandedFiles]:
    """The files of a log's days, both ends included, as of an ingest; days of which nothing is stored are left out."""
    query = sa.select(landing.c.day, landing.c.files, landing.c.withdrawals).where(
        landing.c.log == log, landing.c.day >= first, landing.c.day <= last, landing.c.ingest_id <= through, landing.c.day != UNKNOWN
    )
    found: dict[str, LandedFiles] = {}
    for day, files, withdrawals in connection.execute(query.order_by(landing.c.day, landing.c.ingest_id)):
        known = found.get(day, LandedFiles())
        found[day] = LandedFiles((*known.rows, *files), (*known.withdrawals, *withdrawals))
    return {day: files for day, files in found.items() if files.rows}
