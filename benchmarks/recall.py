"""How the cost of a merged scan grows with its tasks: 1, 10, 100 and 1,000 tasks at once, against one by one.

Every task joins posts and comments by its own two lists of 100 words, most of which occur nowhere: few hits, as in use. The warehouse is
the sample world, landed and built before the clock starts. Tasks one by one are a sample, extrapolated: a hundred single scans take
minutes.

    python benchmarks/recall.py [--quick] [--json FILE]
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from resources import spark_server
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall.batch import BatchResult, TaskSpec
from srp_assets.recall.plan_batch import run_batch
from srp_assets.samples.demo import CATALOGUE
from srp_assets.samples.landing import land_world
from srp_assets.samples.vocabulary import ENGLISH
from srp_assets.samples.world import World
from srp_assets.settings import Settings
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.registry_builds import current_builds, stale_periods
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ResolvedList

FULL_ROWS, QUICK_ROWS = 2_500_000, 50_000
MERGED = (1, 10, 100, 1000)
ALONE_SAMPLE = 5
LIST_WORDS = 100
ROUNDS = 3
WARM_UP = 0
TITLE = Feature(name="title_body", kind="text", type="string", parts=("title", "body"))
TEXT = Feature(name="text", kind="text", type="string", parts=("text",))


def word_list(number: int, kind: str, chance: random.Random) -> ResolvedList:
    """A hundred words, of which three (pairs of neutral words that stand together now and then) can occur at all."""
    rare = [f"{first} {second}" for first, second in (chance.sample(ENGLISH, 2) for _ in range(3))]
    absent = [f"{kind}{number}x{place}qz" for place in range(LIST_WORDS - len(rare))]
    return ResolvedList(id=f"{kind}-{number}", version=1, words=tuple(dict.fromkeys(rare + absent)))


def task(number: int) -> TaskSpec:
    """A task with two lists of its own; the same number gives the same task."""
    chance = random.Random(number)
    post_list, comment_list = word_list(number, "post", chance), word_list(number, "comment", chance)
    objects = {
        "post": Rule(feature=TITLE, match="matches", value=f"{post_list.id}@1"),
        "comment": Rule(feature=TEXT, match="matches", value=f"{comment_list.id}@1"),
    }
    lists = {f"{list_.id}@1": list_ for list_ in (post_list, comment_list)}
    strategy = ResolvedStrategy(id=f"bench-{number}", version=1, products="*", recall="comment", objects=objects, lists=lists)
    return TaskSpec(task_id=f"task-{number}", strategy=strategy, products=("aurora",))


def main() -> None:
    """Prints a table; with --json also writes the machine, the bars and all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small world and fewer tasks, within a minute or so")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--rows", type=int, help="rows of the sample world")
    arguments = parser.parse_args()
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else FULL_ROWS)
    console = Console()
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), catalogue=CATALOGUE)
        try:
            found = measure(settings, rows, MERGED[:3] if arguments.quick else MERGED, 1 if arguments.quick else ROUNDS, console)
        finally:
            spark_server.stop(settings)
    report(found, console)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


def measure(settings: Settings, rows: int, merged: tuple[int, ...], rounds: int, console: Console) -> dict[str, Any]:
    """Lands and builds the world, then times the batches, each size in each round."""
    catalogue = load_catalogue(settings.catalogue)
    engine, storage = open_registry(settings), Storage(settings.warehouse_location)
    spark = open_session(settings)
    started = time.monotonic()
    land_world(engine, storage, catalogue, World(rows), settings.home_folder / "broken")
    landed = time.monotonic() - started
    with engine.connect() as connection:
        stale = stale_periods(connection)
    build_periods(spark, engine, storage, catalogue, stale)
    built = time.monotonic() - started - landed
    with engine.connect() as connection:
        builds = {entity: current_builds(connection, entity=entity) for entity in ("post", "comment")}
    console.print(f"{rows:,} rows: landed in {landed:.1f} s, built in {built:.1f} s")

    def timed(tasks: list[TaskSpec]) -> tuple[float, BatchResult]:
        began = time.monotonic()
        result = run_batch(
            spark,
            storage,
            catalogue,
            tasks,
            builds,
            f"cases/{uuid4().hex}",
            broadcast_rows=settings.broadcast_rows,
            worker_rows=settings.worker_rows,
        )
        return time.monotonic() - began, result

    timed([task(WARM_UP)])
    seconds: dict[int, list[float]] = {size: [] for size in merged}
    alone: list[float] = []
    cases: dict[int, int] = {}
    for _ in range(rounds):
        for size in merged:
            elapsed, result = timed([task(number) for number in range(1, size + 1)])
            seconds[size].append(elapsed)
            cases[size] = sum(result.case_counts.values())
            console.print(f"  {size:>5} tasks merged: {elapsed:.2f} s, {cases[size]:,} cases, {result.timings}", highlight=False)
        alone += [timed([task(number)])[0] for number in range(2, 2 + max(1, ALONE_SAMPLE // rounds))]
    return results(rows, seconds, alone, cases, {"landed_seconds": landed, "built_seconds": built})


def results(
    rows: int, seconds: dict[int, list[float]], alone: list[float], cases: dict[int, int], preparation: dict[str, float]
) -> dict[str, Any]:
    """The measured figures and how they stand to the bars."""
    median = {size: statistics.median(measured) for size, measured in seconds.items()}
    one = statistics.median([*seconds[1], *alone])
    bars = [("merged scan of 100 tasks against one task", median[100] / one, 1.5, "<=")]
    if 1000 in median:
        bars.append(("merged scan of 1,000 tasks against one task", median[1000] / one, 4.0, "<="))
    bars.append(("100 scans one by one (extrapolated) against one merged scan of 100 tasks", 100 * one / median[100], 60.0, ">="))
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
        "bars": [
            {"name": name, "value": value, "goal": goal, "op": operator, "holds": value <= goal if operator == "<=" else value >= goal}
            for name, value, goal, operator in bars
        ],
        "rows": [
            {"world_rows": rows, "tasks": size, "seconds": measured, "median": median[size], "cases": cases[size]}
            for size, measured in seconds.items()
        ]
        + [{"world_rows": rows, "tasks": "one by one", "seconds": alone, "median": statistics.median(alone)}],
        "preparation": preparation,
    }


def report(found: dict[str, Any], console: Console) -> None:
    """Prints the figures and the bars."""
    table = Table("tasks", "median s", "least s", "most s", "cases", title=f"{found['rows'][0]['world_rows']:,} rows")
    for row in found["rows"]:
        times = row["seconds"]
        table.add_row(str(row["tasks"]), f"{row['median']:.2f}", f"{min(times):.2f}", f"{max(times):.2f}", f"{row.get('cases', ''):}")
    console.print(table)
    for bar in found["bars"]:
        console.print(f"{'holds ' if bar['holds'] else 'MISSED'} {bar['name']}: {bar['value']:.2f} (goal {bar['op']} {bar['goal']})")


if __name__ == "__main__":
    sys.exit(main())
