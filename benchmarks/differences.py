"""How long the differences of a day take: a million traces compared in every element, those that differ explained.

A part of the traces is made once, by the real flow over generated histories; one of a hundred traces is served with one of several faults.
The same part is compared again under new names of its traces until there are as many as asked for: every trace is read, aligned and
compared. Hypotheses are tried on as many differing traces as a day tries unless it is told otherwise.
"""

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from srp_assets.online.records.digests import digest_of
from srp_assets.samples.ranking.sequences.faults import sequence_fault
from srp_assets.samples.ranking.sequences.histories import Histories
from srp_assets.samples.ranking.sequences.serving import served_stages
from srp_assets.sequences.differences.attributing import MOST_EXPLAINED, Background, Compared, compare
from srp_assets.sequences.differences.figures import day_figures

TRACES, PART, USERS = 1_000_000, 10_000, 500
QUICK_TRACES, QUICK_PART, QUICK_USERS = 8_000, 2_000, 100

LONGEST_SECONDS = 300.0

ONE_IN = 100
FAULTS = ("tie_order", "late_stream", "dropped_events", "unit_slip", "truncated_history", "hidden_item_kept", "hash_seed", "wrong_user")


def main() -> None:
    """Runs the benchmark."""
    parser = parser_of(__doc__, quick=f"{QUICK_TRACES:,} traces instead of {TRACES:,}")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    traces, part, users = (QUICK_TRACES, QUICK_PART, QUICK_USERS) if arguments.quick else (TRACES, PART, USERS)
    shop = Histories(users=users, requests=part)
    offline = served_stages(shop)
    served = with_faults(shop, offline)
    row = measured(shop, served, offline, traces // part)
    table = Table("traces", "actions a side", "differ", "tried", "explained", "right", "comparing", "explaining", "together")
    table.add_row(*(f"{row[name]:,.2f}" if isinstance(row[name], float) else f"{row[name]:,}" for name in row))
    console.print(table)
    scale = TRACES / row["traces"]
    # Hypotheses are tried on a fixed number of traces: only comparing grows with the day.
    bars = [
        Bar(f"seconds for {TRACES:,} traces", row["comparing_seconds"] * scale + row["explaining_seconds"], LONGEST_SECONDS),
        Bar("share of the tried traces that is explained", row["explained"] / row["tried"], 0.99, ">="),
    ]
    tell(bars, console)
    keep(arguments.json, [row], bars)


def with_faults(shop: Histories, offline: pa.Table) -> pa.Table:
    """What is served: in one of a hundred traces by one of the faults."""
    fault_of = {trace: FAULTS[digest_of(trace) // ONE_IN % len(FAULTS)] for trace in traces_of(offline) if digest_of(trace) % ONE_IN == 0}
    parts = [offline.filter(pc.invert(pc.is_in(offline["trace_id"], pa.array(sorted(fault_of)))))]
    for name in FAULTS:
        wrong = served_stages(Histories(shop.seed, shop.users, shop.requests), [sequence_fault(name)])
        own = pa.array(sorted(trace for trace, fault in fault_of.items() if fault == name), pa.string())
        parts.append(wrong.filter(pc.is_in(wrong["trace_id"], own)))
    return pa.concat_tables(parts).combine_chunks()


def traces_of(table: pa.Table) -> list[str]:
    """The different traces."""
    found: list[str] = pc.unique(table["trace_id"]).to_pylist()
    return found


def measured(shop: Histories, served: pa.Table, offline: pa.Table, times: int) -> dict[str, Any]:
    """Compares a part so many times, each under other names of its traces."""
    parts: list[Compared] = []
    comparing = explaining = 0.0
    tried = 0
    for number in range(times):
        own, other = (renamed(table, number) for table in (served, offline))
        start = time.perf_counter()
        compare(own, other, background(shop, number), 0)
        only_compared = time.perf_counter() - start
        comparing += only_compared
        if tried < MOST_EXPLAINED:
            start = time.perf_counter()
            parts.append(compare(own, other, background(shop, number), MOST_EXPLAINED - tried))
            explaining += max(0.0, time.perf_counter() - start - only_compared)
            tried += sum(difference.tried for difference in parts[-1].differences)
    start = time.perf_counter()
    figures = day_figures("2024-03-20", shop.document, parts)
    explaining += time.perf_counter() - start
    expected = {sequence_fault(name).cause for name in FAULTS}
    right = sum(own.traces for own in figures.causes if own.cause in expected)
    return {
        "traces": shop.requests * times,
        "actions": int(np.asarray(pc.list_value_length(offline["event_id"])).sum()) * times,
        "differing": figures.differing,
        "tried": figures.tried,
        "explained": figures.explained,
        "right": right,
        "comparing_seconds": comparing,
        "explaining_seconds": explaining,
        "together_seconds": comparing + explaining,
    }


def background(shop: Histories, number: int) -> Background:
    """What hypotheses may look at, with the names of a part."""
    context = shop.asked.select(["trace_id", "market"])
    context = context.set_column(0, "trace_id", names(context["trace_id"], number))
    return Background(shop.document, shop.definitions, shop.actions, shop.versions, shop.vectors, context)


def renamed(table: pa.Table, number: int) -> pa.Table:
    """A stage table with the names of a part."""
    return table.set_column(table.column_names.index("trace_id"), "trace_id", names(table["trace_id"], number))


def names(column: pa.ChunkedArray, number: int) -> pa.ChunkedArray:
    """The names of traces in a part."""
    return pc.binary_join_element_wise(column, f"part{number}", "-")


if __name__ == "__main__":
    main()
