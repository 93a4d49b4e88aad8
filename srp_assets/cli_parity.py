"""The command for parity: checks days for continuous integration, or records them as the daily run does, and tells what is recorded."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, iso, json_option, open_home
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.online.parity.checking import ParityPlaces
    from srp_assets.online.parity.registry import FeatureParity, ParityRecord

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group("parity")
def parity_command() -> None:
    """Prove that every feature is served as it is computed for training."""


@parity_command.command("check")
@click.option("--sample", type=click.IntRange(min=1), default=10_000, show_default=True, help="About how many served rows are compared.")
@click.option("--day", type=DAY, help="The day of the requests; the newest one on which something was served by default.")
@click.option("--record", is_flag=True, help="Record the verdict as evidence, by the job that runs every day.")
@json_option
def check(sample: int, day: datetime | None, record: bool, as_json: bool) -> int:
    """Compare what was served with what is computed again; exits with 3 where a feature differs or there is no evidence.

    Nothing is recorded unless --record is given.
    """
    from srp_assets.console import progress

    with open_home() as home, progress("parity", shown=not as_json) as report:
        places = _places(home)
        chosen = day.date().isoformat() if day else _newest_day(home, places)
        found = _recorded(home, chosen, sample, report) if record else _checked(home, places, chosen, sample, report)
    return _told(found, as_json=as_json)


@parity_command.command("show")
@click.option("--day", type=DAY, help="The day of the requests; the newest one with a record by default.")
@json_option
def show(day: datetime | None, as_json: bool) -> int:
    """Tell what is recorded of a day; exits with 3 where the record says no."""
    from srp_assets.online.parity.registry import newest_records

    chosen = day.date().isoformat() if day else None
    with open_home() as home, home.engine.connect() as connection:
        records = newest_records(connection, chosen, chosen)
    if not records:
        raise NotFound("no parity is recorded", where=chosen, remedy="srp parity check --record")
    return _told(records[max(records)], as_json=as_json)


def _places(home: Home) -> "ParityPlaces":
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.online.parity.assets import parity_places

    logs, features = home.settings.log_catalogue, home.settings.feature_declarations
    if logs is None or features is None:
        raise NotFound("this home declares no logs or no features", where="SRP_LOGS, SRP_FEATURES", remedy="declare both")
    places, _ = parity_places(home.settings, home.catalogue, load_log_catalogue(logs), features)
    return places


def _newest_day(home: Home, places: "ParityPlaces") -> str:
    from srp_assets.online.parity.inputs import inputs_of_days

    with home.engine.connect() as connection:
        days = inputs_of_days(connection, places.features, places.catalogue, places.layout)
    if not days:
        raise NotFound("nothing was served", where="served features", remedy="land what the online side wrote, with srp logs ingest")
    return max(days)


def _checked(home: Home, places: "ParityPlaces", day: str, sample: int, progress: Any) -> "ParityRecord":
    from expectations.parity import judge
    from resources.spark import open_session
    from srp_assets.online.parity.checking import check_day

    record = check_day(open_session(home.settings), home.engine, places, day, judge, sample=sample, progress=progress)
    if record.pairs is not None:
        places.storage.delete_tree(record.pairs.rsplit("/", 1)[0])
    return record


def _recorded(home: Home, day: str, sample: int, progress: Any) -> "ParityRecord":
    from srp_assets.cli_runs import LocalRuns

    with LocalRuns(home, progress=progress) as runs:
        return runs.check_parity(day, sample)


def _told(record: "ParityRecord", *, as_json: bool) -> int:
    if as_json:
        answer(_as_json(record))
    else:
        _print(record)
    return OK if record.passed else INCOMPLETE


def _as_json(record: "ParityRecord") -> dict[str, Any]:
    features = {name: _feature(found) for name, found in record.features.items()}
    names = ("day", "definitions", "data", "served", "sampled", "unmatched", "passed")
    return {
        **{name: getattr(record, name) for name in names},
        "reasons": list(record.reasons),
        "failed": record.failed,
        "checked_at": iso(record.checked_at),
        "documents": record.page,
        "features": features,
    }


def _feature(found: "FeatureParity") -> dict[str, Any]:
    values = {name: value for name, value in vars(found).items() if name not in ("feature", "reasons")}
    return {**values, "mismatch_rate": found.mismatch_rate, "reasons": dict(found.reasons)}


def _print(record: "ParityRecord") -> None:
    from srp_assets.console import say, table

    failed = [record.features[name] for name in record.failed]
    rows = [(own.feature, f"{own.rows:,}", f"{own.mismatch_rate:.2%}", "; ".join(own.reasons.values())) for own in failed]
    if rows:
        table(f"parity of {record.day}: what fails", ("feature", "rows", "differ", "why"), rows)
    for reason in record.reasons:
        say(reason)
    passed = len(record.features) - len(failed)
    say(f"{record.day}: {passed} of {len(record.features)} features are served as they are computed, by {record.sampled:,} sampled rows")
    if record.page is not None:
        say(f"documents: {record.page}")
