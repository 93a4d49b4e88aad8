"""The commands for differences of sequences: compare a day, tell what is recorded, write the report."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, answer, iso, json_option, open_home
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.sequences.differences.registry import DifferenceRecord

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("differences")
@click.option("--day", type=DAY, help="The day of the requests; the newest one on which something was served by default.")
@click.option("--compare", "compares", is_flag=True, help="Compare the day now and record what is found.")
@click.option("--explained", type=click.IntRange(min=0), default=2_000, show_default=True, help="Differing traces that are explained.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the HTML report to this file.")
@json_option
def differences_command(day: datetime | None, compares: bool, explained: int, report: Path | None, as_json: bool) -> int:
    """Tell why served sequences are not those that are computed again; exits with 3 where a cause is beyond its limit."""
    from srp_assets.cli_sequences import home_sequences
    from srp_assets.console import progress
    from srp_assets.sequences.differences.checking import compare_day, days_to_compare
    from srp_assets.sequences.differences.registry import newest_differences, record_difference
    from srp_assets.warehouse.storage import Storage

    with open_home() as home, progress("differences", shown=not as_json) as told:
        places = home_sequences(home)
        with home.engine.connect() as connection:
            wanted = days_to_compare(connection, places)
            recorded = newest_differences(connection)
        known = sorted(wanted if compares else recorded)
        chosen = day.date().isoformat() if day else next(reversed(known), None)
        if chosen is None:
            raise NotFound(
                "nothing was served" if compares else "nothing is recorded", where="sequences", remedy="srp sequences ingest FILE"
            )
        if compares:
            parity = Storage(home.settings.warehouse_location)
            record = compare_day(home.engine, places, chosen, most=explained, parity=parity, progress=told)
            with home.engine.begin() as connection:
                record_difference(connection, record)
                recorded = newest_differences(connection)
        if chosen not in recorded:
            raise NotFound("nothing is recorded", where=chosen, remedy="srp sequences differences --compare")
    if report is not None:
        from srp_assets.sequences.differences.report.page import difference_html

        report.write_text(difference_html([own for other, own in recorded.items() if other <= chosen]), encoding="utf-8")
    record = recorded[chosen]
    if as_json:
        answer(_as_json(record))
    else:
        _print(record)
    return OK if record.passed else INCOMPLETE


def _as_json(record: "DifferenceRecord") -> dict[str, Any]:
    return {
        "day": record.day,
        "passed": record.passed,
        "reasons": list(record.reasons),
        "versions": dict(record.versions),
        "problems": {name: list(found) for name, found in record.problems.items()},
        "compared_at": iso(record.compared_at),
        "figures": None if record.figures is None else record.figures.model_dump(mode="json"),
    }


def _print(record: "DifferenceRecord") -> None:
    from srp_assets.console import say, table

    for reason in record.reasons:
        say(f"{record.day}: {reason}")
    figures = record.figures
    if figures is None:
        return
    rows = [
        (own.cause + (" (leak)" if own.is_leak else ""), f"{own.traces:,}", f"{own.rate:.2%}", f"{own.overlap:.1%}", ", ".join(own.stages))
        for own in figures.causes
    ]
    if rows:
        table(f"differences of {record.day}", ("cause", "traces", "rate", "overlap", "stage"), rows)
    clusters = [
        (" + ".join(own.causes), own.stage, f"{own.traces:,}", own.owner, ", ".join(own.context), ", ".join(own.examples))
        for own in figures.clusters[:5]
    ]
    if clusters:
        table("what comes together", ("causes", "stage", "traces", "ask", "more often with", "look at"), clusters)
    for name, problems in record.problems.items():
        for problem in problems:
            say(f"{name}: {problem}")
    said = (
        f"{figures.differing:,} of {figures.traces:,} traces differ, {figures.share_explained:.1%} of {figures.tried:,} tried are explained"
    )
    say(f"{record.day}: {said}")
