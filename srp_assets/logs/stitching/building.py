"""Building days: what is read, the Spark jobs, and the record that makes the result current.

A build writes below a folder of its own that nothing names until all of it is there; so one that breaks off leaves the old build whole. It
is a function of what has landed: no build reads another one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.durations import MICROSECOND
from srp_assets.logs.reference import label_state
from srp_assets.logs.registry import LandedDay, LandedFiles, bind_log_catalogue, landed_days, landed_files, last_ingest
from srp_assets.logs.registry_builds import DayBuild, DayCountsBuilt, TableFile, landed_span, record_builds, stale_days
from srp_assets.logs.schema import TABLES, table_schema
from srp_assets.logs.spans import DAY, DaySpan, log_spans
from srp_assets.logs.stitching.day_sessions import OPENING, WITHIN_DAY, ActionFiles
from srp_assets.logs.stitching.outcomes import OutcomeFiles
from srp_assets.logs.stitching.plan_stitching import ROWS_OF_A_TASK, run_pass, task_count
from srp_assets.logs.stitching.session_chains import ChainJoiner, ChainOrder
from srp_assets.logs.stitching.tasks import LandedEvents, Pass
from srp_assets.progress import Progress
from srp_assets.warehouse.plan_tasks import done
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUILDS_FOLDER = "builds"


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    storage: Storage,
    catalogue: LogCatalogue,
    days: Iterable[str],
    *,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[DayBuild]:
    """Builds days from all that has landed until now and makes the builds current; one pass for each run of neighbouring days.

    A day without events gets a build too: then a reader knows that there is nothing.

    Args:
        spark: the session.
        engine: of the registry.
        storage: of the logs.
        catalogue: that the home is bound to.
        days: which.
        only_changed: leaves out what is built and not reopened.
        run_id: recorded with the builds.
        progress: told what is being done.

    Raises:
        Conflict: if the home is bound to another log catalogue, or a build lost events.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    with engine.begin() as connection:
        bind_log_catalogue(connection, catalogue)
        through = last_ingest(connection)
        wanted = sorted({date.fromisoformat(day) for day in days})
        if only_changed:
            stale = set(stale_days(connection, catalogue, through=through))
            wanted = [day for day in wanted if day.isoformat() in stale]
    built: list[DayBuild] = []
    spans = neighbours(wanted)
    for number, span in enumerate(spans):
        if progress:
            progress(f"stitching {' to '.join(dict.fromkeys(span.as_texts()))}", number, len(spans))
        builds = _Pass(spark, engine, storage, catalogue, span, through, run_id).run()
        with engine.begin() as connection:
            built += record_builds(connection, builds)
    return built


def neighbours(days: Sequence[date]) -> list[DaySpan]:
    """Days in order as spans without holes."""
    spans: list[DaySpan] = []
    for day in days:
        if spans and day == spans[-1].last + DAY:
            spans[-1] = DaySpan(spans[-1].first, day)
        else:
            spans.append(DaySpan(day, day))
    return spans


@dataclass
class _Pass:
    """One build of neighbouring days."""

    spark: "SparkSession"
    engine: Engine
    storage: Storage
    catalogue: LogCatalogue
    span: DaySpan
    through: int
    run_id: str | None
    folder: str = field(default_factory=lambda: f"{BUILDS_FOLDER}/{uuid4().hex}")
    written: list[dict[str, Any]] = field(default_factory=list)

    @property
    def scratch(self) -> str:
        """Where lies what only the build itself needs."""
        return f"{self.folder}/scratch"

    def run(self) -> list[DayBuild]:
        """Builds; nothing is recorded yet, and nothing is left if it fails."""
        try:
            with self.engine.connect() as connection:
                landed = landed_span(connection, self.catalogue, self.through)
                rows = landed_days(connection, through=self.through)
            if landed is not None:
                self._write(landed, rows)
            builds = self._builds(landed)
            self._refuse_losses(builds, rows)
            self.storage.delete_tree(self.scratch)
        except BaseException:
            self.storage.delete_tree(self.folder)
            raise
        return builds

    def _write(self, landed: DaySpan, rows: Sequence[LandedDay]) -> None:
        read = DaySpan(max(self.span.first - DAY, landed.first), min(self.span.last + DAY, landed.last))
        self._stitch(read, rows, landed.last, with_outcomes=True)
        step = 1
        while True:
            completed = self._complete_sessions(read)
            reaches_back = any(row["before"] for row in completed if row["table"] == "open") and read.first > landed.first
            goes_on = any(row["after"] for row in completed if row["table"] == "open") and read.last < landed.last
            if not (reaches_back or goes_on):
                self.written += completed
                return
            # A session of more than a day: further days are read until it ends, twice as many each time.
            if reaches_back:
                more = DaySpan(max(read.first - step * DAY, landed.first), read.first - DAY)
                self._stitch(more, rows, landed.last, with_outcomes=False)
                read = DaySpan(more.first, read.last)
            if goes_on:
                more = DaySpan(read.last + DAY, min(read.last + step * DAY, landed.last))
                self._stitch(more, rows, landed.last, with_outcomes=False)
                read = DaySpan(read.first, more.last)
            step *= 2

    def _stitch(self, days: DaySpan, rows: Sequence[LandedDay], newest_day: date, *, with_outcomes: bool) -> None:
        """Writes actions and sessions within days, and outcomes of the days that are built."""
        spans = log_spans(self.catalogue, days, self.span if with_outcomes else None)
        counted = {(row.log, row.day): row.rows for row in rows if row.log in spans and _holds(spans[row.log], row.day)}
        landed: list[LandedEvents] = []
        with self.engine.connect() as connection:
            for name, span in spans.items():
                files = landed_files(connection, name, *span.as_texts(), self.through)
                landed += _orders(name, {day: (counted[name, day], of_day) for day, of_day in files.items()})
        files_of_actions = ActionFiles(
            storage=self.storage,
            folder=self.folder,
            scratch=self.scratch,
            schema=table_schema(self.catalogue, "actions"),
            kinds=self.catalogue.action_kinds,
            gap=self.catalogue.session_gap // MICROSECOND,
            first=self.span.first,
            last=self.span.last,
        )
        pass_ = Pass(
            catalogue=self.catalogue,
            days=days,
            outcomes=self.span if with_outcomes and self.catalogue.of_role("impression") is not None else None,
            partitions=task_count(sum(counted.values())),
            actions=files_of_actions,
            outcome_files=self._outcome_files(newest_day),
        )
        self.written += run_pass(self.spark, pass_, landed)

    def _outcome_files(self, newest_day: date) -> OutcomeFiles:
        click = self.catalogue.of_role("click")
        return OutcomeFiles(
            storage=self.storage,
            folder=self.folder,
            schema=table_schema(self.catalogue, "impression_outcomes"),
            labels={"click": click.name if click else None, **{step: step for step in self.catalogue.steps}},
            final_days=frozenset(day for day in self.span if label_state(self.catalogue, day, newest_day) == "final"),
        )

    def _complete_sessions(self, read: DaySpan) -> list[dict[str, Any]]:
        within_day: dict[int, list[str]] = defaultdict(list)
        opening: dict[int, dict[date, str]] = defaultdict(dict)
        for row in self.written:
            if row["table"] == WITHIN_DAY:
                within_day[row["bucket"]].append(row["path"])
            elif row["table"] == OPENING:
                opening[row["bucket"]][date.fromisoformat(row["day"])] = row["path"]
        orders = [
            ChainOrder(
                folder=self.folder,
                bucket=bucket,
                within_day=tuple(within_day[bucket]),
                opening=opening[bucket],
                first=self.span.first,
                last=self.span.last,
                read_first=read.first,
                read_last=read.last,
            )
            for bucket in sorted(within_day)
        ]
        schemas: dict[str, pa.Schema] = {table: table_schema(self.catalogue, table) for table in TABLES}
        joiner = ChainJoiner(self.storage, schemas, self.catalogue.action_kinds, self.catalogue.session_gap // MICROSECOND)
        return done(self.spark, joiner.complete, orders)

    def _builds(self, landed: DaySpan | None) -> list[DayBuild]:
        """One build for each day, from what was written."""
        files: dict[str, list[TableFile]] = defaultdict(list)
        counts: dict[str, DayCountsBuilt] = defaultdict(DayCountsBuilt)
        reach = {day: (day, day) for day in self.span}
        for row in self.written:
            if row["table"] in TABLES:
                files[row["day"]].append(TableFile(row["table"], row["path"], row["rows"], row["bytes"]))
            elif row["table"] == "counts":
                counts[row["day"]] = _added(counts[row["day"]], row)
            elif row["table"] == "reach":
                for day in DaySpan(*(date.fromisoformat(row[end]) for end in ("first", "last"))):
                    if day in self.span:
                        first, last = reach[day]
                        reach[day] = (min(first, date.fromisoformat(row["first"])), max(last, date.fromisoformat(row["last"])))
        newest = landed.last if landed else self.span.last
        return [
            DayBuild(
                build_id=0,
                day=day.isoformat(),
                through_ingest=self.through,
                state=label_state(self.catalogue, day, newest),
                reads={
                    name: span.as_texts()
                    for name, span in log_spans(self.catalogue, DaySpan(*reach[day]).widened(1, 1), DaySpan(day, day)).items()
                },
                counts=counts[day.isoformat()],
                files=tuple(sorted(files[day.isoformat()], key=lambda file: file.path)),
                built_at=datetime.now(UTC),
                run_id=self.run_id,
            )
            for day in self.span
        ]

    def _refuse_losses(self, builds: Iterable[DayBuild], rows: Iterable[LandedDay]) -> None:
        """A build that does not hold every event never becomes current, whatever lost it."""
        landed = {(row.log, row.day): row.rows for row in rows}
        impression, kinds_logged = self.catalogue.of_role("impression"), self.catalogue.action_kinds
        for build in builds:
            kinds = build.counts.kinds
            found: list[tuple[str, int, str | None]] = [(f"actions of kind {kind}", kinds.get(kind, 0), kind) for kind in kinds_logged]
            found += [("impression_outcomes", build.rows("impression_outcomes"), impression.name)] if impression else []
            found += [("actions", build.rows("actions"), None)]
            for what, count, kind in found:
                expected = sum(landed.get((log, build.day), 0) for log in (kinds_logged if kind is None else (kind,)))
                if count != expected:
                    raise Conflict(
                        f"the build has {count:,} {what} of {expected:,} events",
                        where=f"logs of {build.day}",
                        remedy="build again; if it stays so, the files of landing are not those that were recorded",
                    )


def _orders(log: str, days: Mapping[str, tuple[int, LandedFiles]]) -> list[LandedEvents]:
    """The files of a log's days, with the rows of each day, as orders for tasks: neighbouring days together while they are small."""
    orders: list[LandedEvents] = []
    waiting: list[LandedFiles] = []
    waiting_rows = 0
    for rows, files in (piece for day in days.values() for piece in _pieces(*day)):
        if waiting and waiting_rows + rows > ROWS_OF_A_TASK:
            orders.append(LandedEvents(log, tuple(waiting)))
            waiting, waiting_rows = [], 0
        waiting.append(files)
        waiting_rows += rows
    return [*orders, *([LandedEvents(log, tuple(waiting))] if waiting else [])]


def _pieces(rows: int, files: LandedFiles) -> list[tuple[int, LandedFiles]]:
    """The files of a day together, or if they are more than a task takes, each by itself."""
    if rows <= ROWS_OF_A_TASK:
        return [(rows, files)]
    return [(rows // len(files.rows), LandedFiles((path,), files.withdrawals)) for path in files.rows]


def _holds(span: DaySpan, day: str) -> bool:
    first, last = span.as_texts()
    return first <= day <= last


def _added(counts: DayCountsBuilt, row: Mapping[str, Mapping[str, int]]) -> DayCountsBuilt:
    return DayCountsBuilt(
        *(
            {name: known.get(name, 0) + row[what].get(name, 0) for name in sorted({*known, *row[what]})}
            for what, known in (("kinds", counts.kinds), ("orphans", counts.orphans), ("without_arrival_time", counts.without_arrival_time))
        )
    )
