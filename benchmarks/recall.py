"""How the cost of a merged scan grows: with its tasks, with the rows, beside rebuilds, and with one post that has all the comments.

One task is also measured as a data engineer would write it by hand.

Every task joins posts and comments by its own two lists of 100 words, most of which occur nowhere. The first section has tasks with few
hits, as in use, and such of which each fits one post in twelve; the others have the latter. All is landed and built before the clock
starts. Tasks one by one are a sample, extrapolated: a hundred single scans take minutes.

    python benchmarks/recall.py [--quick] [--json FILE]
"""

import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.recall_platform import Platform

    from srp_assets.recall.batch import BatchResult

ROWS, QUICK_ROWS = 3_000_000, 50_000
"""Rows of the sample world: a fifth are posts, seven tenths are comments and replies."""

MERGED = (1, 10, 100, 1000)
ALONE_SAMPLE = 5
ROUNDS = 3
WARM_UP = 0

BY_HAND, QUICK_BY_HAND = 300_000, 10_000
"""Fewer rows than elsewhere: by rlike, one task takes minutes for them. What any batch costs weighs against the merged scan here."""

GROWTH = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
QUICK_GROWTH = (10_000, 20_000)
GROWN_TASKS = 100
CAPACITY = (10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000)
ANSWER_SECONDS = 1_800
SKEWED, QUICK_SKEWED = 1_000_000, 10_000
COMMENTS_PER_POST = 10
REBUILDS_SECONDS, QUICK_REBUILDS_SECONDS = 60.0, 8.0

GIGABYTE = 2**30


class Part(NamedTuple):
    """What one section gives."""

    rows: list[dict[str, Any]]
    bars: list[Bar]


class Size(NamedTuple):
    """How large a run is."""

    rows: int
    merged: tuple[int, ...]
    rounds: int
    by_hand: int
    growth: tuple[int, ...]
    skewed: int
    rebuilds_seconds: float


FULL = Size(ROWS, MERGED, ROUNDS, BY_HAND, GROWTH, SKEWED, REBUILDS_SECONDS)
QUICK = Size(QUICK_ROWS, MERGED[:3], 1, QUICK_BY_HAND, QUICK_GROWTH, QUICK_SKEWED, QUICK_REBUILDS_SECONDS)


def main() -> None:
    """Prints a table for each section; with --json also writes the machine, the bars and all rows."""
    parser = parser_of(__doc__, quick="a small world and fewer tasks, within a minute or so")
    parser.add_argument("--only", choices=list(SECTIONS), action="append", help="these sections alone")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    parts = []
    for name in arguments.only or SECTIONS:
        parts.append(SECTIONS[name](QUICK if arguments.quick else FULL, console))
        tell(parts[-1].bars, console)
    keep(arguments.json, [row for part in parts for row in part.rows], [bar for part in parts for bar in part.bars])


@contextmanager
def new_platform() -> "Iterator[Platform]":
    """An empty home with a Spark server of its own."""
    from support.recall_platform import Platform

    from resources import spark_server
    from resources.spark import close_sessions
    from srp_assets.samples.demo import CATALOGUE
    from srp_assets.settings import Settings

    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), catalogue=CATALOGUE)
        opened = Platform.open(settings)
        try:
            yield opened
        finally:
            opened.engine.dispose()
            close_sessions()
            spark_server.stop(settings)


@contextmanager
def sample_world(rows: int, console: Console) -> "Iterator[Platform]":
    """A platform on which a sample world of so many rows is landed and built, and one batch has warmed all processes."""
    from support.recall_platform import task

    from srp_assets.samples.landing import land_world
    from srp_assets.samples.world import World

    with new_platform() as platform:
        began = time.monotonic()
        land_world(platform.engine, platform.storage, platform.catalogue, World(rows), platform.settings.home_folder / "broken")
        landed = time.monotonic() - began
        platform.build()
        built = time.monotonic() - began - landed
        console.print(f"{rows:,} rows: landed in {landed:.1f} s, built in {built:.1f} s")
        platform.timed([task(WARM_UP)])
        yield platform


def merged(size: Size, console: Console) -> Part:
    """1, 10, 100 and 1,000 tasks in one batch, against one by one; memory. With few hits, and where each task fits many posts."""
    with sample_world(size.rows, console) as platform:
        parts = [merged_tasks(platform, size, console, common=common) for common in (False, True)]
    return Part([row for part in parts for row in part.rows], [bar for part in parts for bar in part.bars])


def merged_tasks(platform: "Platform", size: Size, console: Console, *, common: bool) -> Part:
    """The same for one kind of tasks."""
    from support.recall_platform import PeakMemory, task

    told = "many posts each" if common else "few hits"
    tasks = [task(number, common=common) for number in range(max(size.merged) + 1)]
    platform.timed([tasks[WARM_UP]])
    seconds: dict[int, list[float]] = {count: [] for count in size.merged}
    found: dict[int, BatchResult] = {}
    peaks: dict[int, PeakMemory] = {}
    alone: list[float] = []
    for _ in range(size.rounds):
        for count in size.merged:
            with PeakMemory(platform.settings) as peaks[count]:
                elapsed, found[count] = platform.timed(tasks[1 : count + 1])
            seconds[count].append(elapsed)
        alone += [platform.timed([one])[0] for one in tasks[2 : 2 + max(1, ALONE_SAMPLE // size.rounds)]]
    median = {count: statistics.median(measured) for count, measured in seconds.items()}
    one = statistics.median([*seconds[1], *alone])
    title = f"merged, {size.rows:,} rows, {told}"
    table = Table("tasks", "median s", "posts a task", "comments a task", "cases", "driver GB", "workers GB", "all GB", title=title)
    rows: list[dict[str, Any]] = []
    for count, measured in seconds.items():
        peak, result = peaks[count], found[count]
        gigabytes = {part: getattr(peak, part) / GIGABYTE for part in ("driver", "workers", "client", "total")}
        fitting = {name: fitting_share(result, name) for name in ("post", "comment")}
        cases = sum(result.case_counts.values())
        rows.append(
            {
                "section": "merged",
                "world_rows": size.rows,
                "tasks": count,
                "hits": told,
                "seconds": measured,
                "cases": cases,
                "fitting": fitting,
                "gigabytes": gigabytes,
            }
        )
        table.add_row(
            f"{count:,}",
            f"{median[count]:.2f}",
            *(f"{share:.3%}" for share in fitting.values()),
            f"{cases:,}",
            *(f"{gigabytes[part]:.2f}" for part in ("driver", "workers", "total")),
        )
    rows.append({"section": "merged", "world_rows": size.rows, "tasks": "one by one", "hits": told, "seconds": alone})
    table.add_row("one by one", f"{one:.2f}")
    console.print(table)
    bars = [Bar(f"{told}: merged scan of 100 tasks against one task", median[100] / one, 1.5)]
    if 1000 in median:
        bars.append(Bar(f"{told}: merged scan of 1,000 tasks against one task", median[1000] / one, 4.0))
    bars.append(
        Bar(f"{told}: 100 scans one by one (extrapolated) against one merged scan of 100 tasks", 100 * one / median[100], 60.0, ">=")
    )
    bars.append(Bar(f"{told}: memory of all processes in the batch of 100 tasks, GB", peaks[100].total / GIGABYTE, 6.0))
    return Part(rows, bars)


def fitting_share(result: "BatchResult", object_name: str) -> float:
    """The share of an object's scanned rows that fit a task, in the mean of the tasks."""
    cells = [cell for cell in result.cells if cell.object == object_name]
    return sum(cell.matched for cell in cells) / max(1, sum(cell.scanned for cell in cells))


def by_hand(size: Size, console: Console) -> Part:
    """One task as a data engineer would write it, a hundred of which stand against one merged scan of a hundred."""
    from support.by_hand import cases, pandas_udf, rlike
    from support.recall_platform import task

    with sample_world(size.by_hand, console) as platform:
        ours, result = platform.timed([task(number) for number in range(1, 101)])
        rows: list[dict[str, Any]] = [{"section": "by hand", "world_rows": size.by_hand, "way": "100 tasks merged", "seconds": ours}]
        for name, holds in {"rlike": rlike, "pandas UDF on pyahocorasick": pandas_udf}.items():
            began = time.monotonic()
            recalled = cases(platform, task(1), holds)
            rows.append(
                {"section": "by hand", "world_rows": size.by_hand, "way": f"one task by {name}", "seconds": time.monotonic() - began}
            )
            if len(recalled) != result.case_counts["task-1"]:
                raise RuntimeError(f"{name} recalls {len(recalled)} comments, the merged scan {result.case_counts['task-1']}")
    table = Table("way", "seconds", title=f"by hand, {size.by_hand:,} rows")
    for row in rows:
        table.add_row(row["way"], f"{row['seconds']:.2f}")
    console.print(table)
    return Part(
        rows,
        [
            Bar(f"100 times {row['way']} (extrapolated) against one merged scan", 100 * row["seconds"] / ours, 60.0, ">=")
            for row in rows[1:]
        ],
    )


def growth(size: Size, console: Console) -> Part:
    """One batch of 100 tasks over more and more comments, and what the rates say about many more."""
    from support.recall_platform import task

    table = Table("comments", "land s", "build s", "scan s", "million rows/s scanned", "bytes a row", title=f"growth, {GROWN_TASKS} tasks")
    rows: list[dict[str, Any]] = []
    for comments in size.growth:
        with new_platform() as platform:
            began = time.monotonic()
            platform.land(comments // COMMENTS_PER_POST, comments)
            landed = time.monotonic() - began
            platform.build()
            built = time.monotonic() - began - landed
            platform.timed([task(WARM_UP)])
            runs = [platform.timed([task(number) for number in range(1, GROWN_TASKS + 1)]) for _ in range(size.rounds)]
            seconds = [elapsed for elapsed, _ in runs]
            scanned = runs[0][1].rows_scanned
            files = [file for builds in platform.builds().values() for build in builds for file in build.files]
            bytes_per_row = sum(file.bytes for file in files) / sum(file.rows for file in files)
        median = statistics.median(seconds)
        rows.append(
            {
                "section": "growth",
                "comments": comments,
                "landed": landed,
                "built": built,
                "seconds": seconds,
                "rows_scanned": scanned,
                "bytes_per_row": bytes_per_row,
            }
        )
        table.add_row(
            f"{comments:,}", f"{landed:.1f}", f"{built:.1f}", f"{median:.2f}", f"{scanned / median / 1e6:.2f}", f"{bytes_per_row:.0f}"
        )
    console.print(table)
    times = size.growth[-1] / size.growth[0]
    grown = statistics.median(rows[-1]["seconds"]) / statistics.median(rows[0]["seconds"])
    needed = capacity(rows[0], rows[-1], console)
    return Part(rows + needed, [Bar(f"time over {times:g} times the comments, against {times:g} times the time", grown / times, 1.0)])


def capacity(least: dict[str, Any], most: dict[str, Any], console: Console) -> list[dict[str, Any]]:
    """Cores that answer the tasks of `growth` in half an hour, by what each further row cost there.

    The difference of two sizes leaves out what any batch costs, whatever it reads.
    """
    cores = os.cpu_count() or 1
    further_rows = most["rows_scanned"] - least["rows_scanned"]
    further_seconds = statistics.median(most["seconds"]) - statistics.median(least["seconds"])
    if further_seconds <= 0:
        console.print("capacity: the sizes are too small to tell the cost of a row")
        return []
    rate = further_rows / (further_seconds * cores)
    table = Table("comments", "cores", "files", title=f"{GROWN_TASKS} tasks in 30 minutes, at {rate:,.0f} rows a core-second")
    rows = []
    for comments in CAPACITY:
        scanned = comments * (1 + 1 / COMMENTS_PER_POST)
        needed = max(1, math.ceil(scanned / (rate * ANSWER_SECONDS)))
        gigabytes = scanned * most["bytes_per_row"] / 1e9
        rows.append({"section": "capacity", "comments": comments, "cores": needed, "gigabytes": gigabytes, "rows_per_core_second": rate})
        table.add_row(f"{comments:,}", f"{needed:,}", f"{gigabytes:,.0f} GB")
    console.print(table)
    return rows


def skew(size: Size, console: Console) -> Part:
    """All comments on one post, against as many on random posts."""
    from support.recall_platform import task

    rows: list[dict[str, Any]] = []
    for name, on_one_post in (("even", 0), ("one post", size.skewed)):
        with new_platform() as platform:
            platform.land(size.skewed // COMMENTS_PER_POST, size.skewed, on_one_post=on_one_post)
            platform.build()
            platform.timed([task(WARM_UP)])
            seconds = [platform.timed([task(number) for number in range(1, 11)])[0] for _ in range(size.rounds)]
        rows.append({"section": "skew", "comments": size.skewed, "on": name, "seconds": seconds})
        console.print(f"{size.skewed:,} comments, {name}: {statistics.median(seconds):.2f} s", highlight=False)
    even, skewed = (statistics.median(row["seconds"]) for row in rows)
    return Part(rows, [Bar("all comments on one post against random posts", skewed / even, 1.5)])


def rebuilds(size: Size, console: Console) -> Part:
    """Batches while every period is rebuilt again and again: none may fail or answer otherwise."""
    from support.recall_platform import task

    from srp_assets.warehouse.building import build_periods

    tasks = [task(number) for number in range(1, 11)]
    with new_platform() as platform:
        platform.land(size.skewed // COMMENTS_PER_POST, size.skewed)
        platform.build()
        platform.timed([task(WARM_UP)])
        quiet, expected = platform.timed(tasks)
        keys = [build.key for builds in platform.builds().values() for build in builds]
        ended, rebuilt = threading.Event(), [0]

        def rebuild() -> None:
            while not ended.is_set():
                for key in keys:
                    build_periods(platform.spark, platform.engine, platform.storage, platform.catalogue, [key])
                    rebuilt[0] += 1
                    if ended.is_set():
                        return

        writer = threading.Thread(target=rebuild)
        writer.start()
        seconds: list[float] = []
        wrong = 0
        began = time.monotonic()
        try:
            while time.monotonic() - began < size.rebuilds_seconds:
                elapsed, result = platform.timed(tasks)
                seconds.append(elapsed)
                wrong += result.case_counts != expected.case_counts or any(cell.scanned != cell.present for cell in result.cells)
        finally:
            ended.set()
            writer.join()
    median = statistics.median(seconds)
    told = f"{len(seconds)} batches beside {rebuilt[0]} rebuilds: median {median:.2f} s (alone {quiet:.2f} s), {wrong} wrong"
    console.print(told, highlight=False)
    rows = [{"section": "rebuilds", "batches": len(seconds), "rebuilds": rebuilt[0], "seconds": seconds, "alone": quiet, "wrong": wrong}]
    return Part(rows, [Bar("batches beside rebuilds that failed or answered otherwise", float(wrong), 0.0)])


SECTIONS: dict[str, Callable[[Size, Console], Part]] = {
    "merged": merged,
    "by_hand": by_hand,
    "growth": growth,
    "skew": skew,
    "rebuilds": rebuilds,
}


if __name__ == "__main__":
    sys.exit(main())
