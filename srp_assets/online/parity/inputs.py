"""What the check of a day reads, whether all of it is there, and which days were checked before it changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places, days_before, inputs_of
from srp_assets.features.building.days import identity_of as feature_identity
from srp_assets.features.registry import current_builds
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import LandedFiles, landed_days
from srp_assets.logs.registry_builds import stale_days as stale_log_days
from srp_assets.logs.tables import landed_log_files
from srp_assets.online.parity.registry import newest_records
from srp_assets.warehouse.periods import UNKNOWN


@dataclass(frozen=True)
class DayInputs:
    """What the check of a day reads.

    Args:
        day: of the requests.
        served: the files of the served log.
        rows: in them that count.
        requests: the files of the log of requests, of the day and of the one before it.
        reads: digest of these files. Partial sums are no part of it: what arrives later changes nothing that was known at the time.
        sums: the folders of the partial sums that windows reach, by day.
        problem: why the day cannot be checked yet, if it cannot.
    """

    day: str
    served: LandedFiles
    rows: int
    requests: tuple[LandedFiles, ...]
    reads: str
    sums: Mapping[str, str]
    problem: str | None


def inputs_of_days(connection: Connection, places: Places, catalogue: LogCatalogue, layout: Layout) -> dict[str, DayInputs]:
    """What the checks of all days read on which something was served, by day in order."""
    log = catalogue.of_role("served_features")
    if log is None:
        return {}
    rows = {landed.day: landed.rows for landed in landed_days(connection, log=log.name) if landed.day != UNKNOWN and landed.rows}
    if not rows:
        return {}
    first, last = min(rows), max(rows)
    served = landed_log_files(connection, log.name, first, last)
    request_log = catalogue.of_role("request")
    requests = landed_log_files(connection, request_log.name, days_before(first, 1), last) if request_log else {}
    sums = current_builds(connection, "partials", feature_identity("partials", layout, places.buckets))
    wanted = inputs_of(connection, "partials", layout, places.buckets)
    fresh = {day: build.folder for day, build in sums.items() if day in wanted and build.reads == wanted[day].reads}
    unbuilt = set(stale_log_days(connection, catalogue))
    found = {}
    for day in sorted(rows):
        reached = days_before(day, layout.definitions.lookback_days)
        own = tuple(requests[other] for other in (days_before(day, 1), day) if other in requests)
        folders = {other: folder for other, folder in fresh.items() if reached <= other <= day}
        missing = sorted(other for other in {*unbuilt, *(wanted.keys() - fresh.keys())} if reached <= other <= day)
        files = served.get(day, LandedFiles())
        reads = _digest([_paths(files), [_paths(landed) for landed in own]])
        found[day] = DayInputs(day, files, rows[day], own, reads, folders, _unbuilt(missing))
    return found


def stale_days(connection: Connection, places: Places, catalogue: LogCatalogue, layout: Layout) -> list[str]:
    """The days that could be checked and are not, or were checked before more was served or asked for on them."""
    records = newest_records(connection)
    inputs = inputs_of_days(connection, places, catalogue, layout)
    return [day for day, own in inputs.items() if own.problem is None and (day not in records or records[day].reads != own.reads)]


def _unbuilt(days: list[str]) -> str | None:
    if not days:
        return None
    named = days[0] if len(days) == 1 else f"{len(days)} days ({days[0]} to {days[-1]})"
    return f"the logs or partial sums of {named} are not built"


def _paths(files: LandedFiles) -> list[Any]:
    return [list(files.rows), list(files.withdrawals)]


def data_digest(inputs: DayInputs, more: Mapping[str, Any]) -> str:
    """Identity of all that a check follows from: what it reads, and what else decides about it."""
    return _digest([inputs.reads, dict(inputs.sums), dict(more)])


def _digest(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
