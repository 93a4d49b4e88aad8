"""What other domains read of the logs: the built tables by day, and the landed values of the online side."""

from dataclasses import dataclass

from sqlalchemy import Connection

from srp_assets.logs.registry import LandedFiles, landed_files, last_ingest
from srp_assets.logs.registry_builds import current_builds
from srp_assets.logs.schema import Table


@dataclass(frozen=True)
class BuiltDay:
    """One day of a built table.

    Args:
        day: of the events.
        paths: Parquet files, relative to the logs' storage; none where the day has no rows.
        rows: in all of them.
        state: of its labels, `provisional` or `final`.
        build_id: identity of the build: another one may have other rows.
        through_ingest: the last ingest of logs that it has seen.
    """

    day: str
    paths: tuple[str, ...]
    rows: int
    state: str
    build_id: int
    through_ingest: int


def built_days(connection: Connection, table: Table, first: str | None = None, last: str | None = None) -> dict[str, BuiltDay]:
    """The built days of a table in order; `first` and `last` (as 2024-03-09) are both included. A day that is not there is not built."""
    return {
        day: BuiltDay(
            day=day,
            paths=tuple(file.path for file in build.of_table(table)),
            rows=build.rows(table),
            state=build.state,
            build_id=build.build_id,
            through_ingest=build.through_ingest,
        )
        for day, build in current_builds(connection, first, last).items()
    }


def landed_log_files(connection: Connection, log: str, first: str, last: str) -> dict[str, LandedFiles]:
    """The landed files of a log that is not built (served features), by day; both ends are included."""
    return landed_files(connection, log, first, last, last_ingest(connection))
