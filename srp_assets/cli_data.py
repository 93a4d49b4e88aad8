"""The commands that bring data in: land it, and build the tables from what landed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, json_option, open_home, product_option, range_options
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.warehouse.landing import IngestSummary
    from srp_assets.warehouse.registry_builds import LedgerRow, PeriodKey

MICROSECOND = timedelta(microseconds=1)


@click.command("ingest")
@click.argument("reader", metavar="READER")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--product", required=True, metavar="P", help="The product (site or app) whose rows these are.")
@click.option("--entity", metavar="E", help="The entity of the rows, where the file does not say it.")
@json_option
def ingest_command(reader: str, path: Path, product: str, entity: str | None, as_json: bool) -> int:
    """Land data: PATH is a file or folder, READER how it is read (stackexchange, jsonl, parquet or csv).

    Prints the rows landed, duplicate, pending (their root has not landed yet) and rejected, by reason. Exit code 3 if rows were rejected;
    they are kept with their reason. Landing the same again changes nothing.
    """
    from srp_assets.console import progress
    from srp_assets.warehouse.landing import ingest

    if not path.exists():
        raise NotFound("there is no such file or folder", where=str(path), remedy="check the path")
    with open_home() as home, progress("landing", shown=not as_json) as report:
        summary = ingest(
            home.engine,
            home.storage,
            home.catalogue,
            reader=reader,
            source=path,
            product=product,
            entity=entity,
            progress=lambda step, rows: report(step, rows, 0),
        )
    if as_json:
        answer(summary.as_dict())
    else:
        _print_summary(summary)
    return INCOMPLETE if summary.rejected else OK


def _print_summary(summary: "IngestSummary") -> None:
    from srp_assets.console import hint, number, table

    rows = [(f"landed: {entity}", number(count)) for entity, count in summary.landed.items()]
    rows += [("duplicate", number(summary.duplicates)), ("pending (their root has not landed)", number(summary.pending))]
    rows += [(f"rejected: {reason}", number(count)) for reason, count in sorted(summary.rejected.items())]
    table(f"ingest {summary.ingest_id} into {summary.product}", ("", "rows"), rows, right=("rows",))
    for file in summary.ignored:
        hint(f"ignored: {file} (no entity is read from it)")
    for file in summary.reject_files:
        hint(f"rejects with reason, source and raw text: {file} in the warehouse")
    hint("next: srp build")


@click.command("build")
@click.option("--entity", metavar="E", help="Only this entity.")
@product_option
@range_options("periods")
@json_option
def build_command(entity: str | None, products: Sequence[str], since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """Build what landed and is not built yet, through Dagster on this home, without the daemon.

    The standing word lists are looked for in what is built, and in built periods in which they were not yet looked for.
    Each period is replaced as a whole; readers see the old build or the new one. Exit code 3 if the account of a period does not balance.
    """
    from srp_assets.console import progress, say

    with open_home() as home:
        keys = _stale(home, entity, products, since, before)
        hits = _without_hits(home, keys, entity, products, since, before)
        if keys or hits:
            with progress("build", shown=not as_json) as report:
                from srp_assets.cli_runs import LocalRuns

                with LocalRuns(home, progress=report) as runs:
                    runs.build(keys, hits)
        rows = _accounts(home, keys)
    unbalanced = [row for row in rows if not (row.balanced and row.built)]
    if as_json:
        answer({"built": [_account(row) for row in rows], "balanced": not unbalanced})
    else:
        if hits:
            say(f"the standing word lists were looked for in {len(hits):,} periods")
        _print_accounts(rows, unbalanced)
    return INCOMPLETE if unbalanced else OK


def _stale(home: Home, entity: str | None, products: Sequence[str], since: datetime | None, before: datetime | None) -> "list[PeriodKey]":
    from srp_assets.warehouse.registry_builds import stale_periods

    with home.engine.connect() as connection:
        return stale_periods(connection, **_limits(home, entity, products, since, before))


def _without_hits(
    home: Home, keys: "Sequence[PeriodKey]", entity: str | None, products: Sequence[str], since: datetime | None, before: datetime | None
) -> "list[PeriodKey]":
    from srp_assets.strategy.standing import periods_to_look_into

    with home.engine.connect() as connection:
        return periods_to_look_into(connection, home.catalogue, keys, **_limits(home, entity, products, since, before))


def _limits(home: Home, entity: str | None, products: Sequence[str], since: datetime | None, before: datetime | None) -> dict[str, Any]:
    """What the options limit a build to."""
    from srp_assets.warehouse.periods import period_of

    unit = home.catalogue.partition_unit
    return {
        "entity": home.entity(entity) if entity else None,
        "products": home.products(products) or None,
        "first": period_of(since, unit) if since else None,
        "last": period_of(before - MICROSECOND, unit) if before else None,
    }


def _accounts(home: Home, keys: "Sequence[PeriodKey]") -> "list[LedgerRow]":
    from srp_assets.warehouse.registry_builds import PeriodKey, ledger

    asked = set(keys)
    if not asked:
        return []
    with home.engine.connect() as connection:
        rows = ledger(connection, products=sorted({key.product for key in asked}))
    return [row for row in rows if PeriodKey(row.entity, row.product, row.period) in asked]


def _account(row: "LedgerRow") -> dict[str, Any]:
    return {**vars(row), "balanced": row.balanced}


def _print_accounts(rows: "Sequence[LedgerRow]", unbalanced: "Sequence[LedgerRow]") -> None:
    from srp_assets.console import complain, number, say, table

    if not rows:
        say("everything that landed is built")
        return
    counted = ("landed", "in_table", "duplicate", "superseded", "moved", "pending", "rejected")
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found = sums.setdefault((row.entity, row.product), [0] * (len(counted) + 1))
        found[0] += 1
        for position, name in enumerate(counted, start=1):
            found[position] += getattr(row, name)
    columns = ("entity", "product", "periods", *(name.replace("_", " ") for name in counted))
    table("built", columns, [(*key, *map(number, numbers)) for key, numbers in sums.items()], right=columns[2:])
    for row in unbalanced:
        complain(f"{row.entity} of {row.product} in {row.period}: {'the account does not balance' if row.built else 'not built'}")
