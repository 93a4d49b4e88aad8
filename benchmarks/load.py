"""Recall under load and faults: many clients submit tasks while data lands and the process that runs batches is killed again and again.

What runs is `srp recall --now`, a process of its own that builds what tasks need, merges them and answers them, and is started anew as soon
as it ends; some of its runs are ended by SIGKILL at a random moment of a batch, but for a task's last try, after which it would rightly
fail. Every task must end done and complete, none lost, none doubled; a sample of them is run again, alone, on the builds that its ledger
names, and must find the same cases. The warehouse is the sample world: its first ingests are built before, its later ones (new versions,
moved and late rows) land meanwhile.

    python benchmarks/load.py [--quick] [--json FILE]
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from resources import spark_server
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall import registry
from srp_assets.recall.batch import entities_of
from srp_assets.recall.cases import read_cases
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.recall.submission import submit
from srp_assets.recall.tasks import ENDED
from srp_assets.samples.batches import batches
from srp_assets.samples.demo import CATALOGUE, DOCUMENTS
from srp_assets.samples.world import World
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.apply import apply_documents
from srp_assets.strategy.registry import document_ids
from srp_assets.strategy.resolve import resolve
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.registry import bind_catalogue
from srp_assets.warehouse.registry_builds import builds_by_id, stale_periods
from srp_assets.warehouse.storage import Storage

FIRST_INGEST, LATER_INGEST = 1, 2
LOOK_SECONDS = 0.2
LONGEST_LIFE_SECONDS = 4.0
"""Of a batch that is to be killed, after it was seen to run: a small batch takes about as long."""

PATIENCE_SECONDS = 3600
"""After which the tasks that have not ended are given up as lost."""


@dataclass(frozen=True)
class Size:
    """How much load."""

    world_rows: int
    clients: int
    tasks: int
    seconds: float
    landings: int
    most_kills: int
    least_kills: int
    sample: int


FULL = Size(world_rows=200_000, clients=20, tasks=500, seconds=180, landings=12, most_kills=8, least_kills=4, sample=40)
QUICK = Size(world_rows=10_000, clients=20, tasks=60, seconds=12, landings=2, most_kills=1, least_kills=1, sample=6)
KILL_CHANCE = 0.7
"""Of each try of a batch, as long as there are kills left."""


@dataclass
class Load:
    """One load test on one home."""

    settings: Settings
    size: Size
    console: Console
    engine: Engine = field(init=False)
    storage: Storage = field(init=False)
    catalogue: Catalogue = field(init=False)
    products_of: dict[str, list[str]] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    landed: int = 0
    kills: int = 0
    commands: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.engine, self.storage = open_registry(self.settings), Storage(self.settings.warehouse_location)
        self.catalogue = load_catalogue(self.settings.catalogue)
        self.world = World(self.size.world_rows)

    def prepare(self) -> None:
        """Lands and builds the first ingests, and applies the sample's documents."""
        with self.engine.begin() as connection:
            bind_catalogue(connection, self.catalogue)
            apply_documents(connection, self.catalogue, [DOCUMENTS])
            for strategy in document_ids(connection, "strategy"):
                products = resolve(connection, self.catalogue, strategy).products
                self.products_of[strategy] = list(self.world.products) if products == "*" else list(products)
        for product in self.world.products:
            self._land(product, list(batches(self.world.products[product], FIRST_INGEST)), "first ingest")
        with self.engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(open_session(self.settings), self.engine, self.storage, self.catalogue, stale)

    def run(self) -> float:
        """Submits, lands and kills until every task has ended; returns how many seconds it took."""
        started, all_submitted = time.monotonic(), Event()
        runner = Thread(target=self._run_commands, args=(all_submitted,))
        lander = Thread(target=self._land_later)
        runner.start()
        lander.start()
        try:
            with ThreadPoolExecutor(self.size.clients) as clients:
                shares = [range(number, self.size.tasks, self.size.clients) for number in range(self.size.clients)]
                for submitted in clients.map(self._be_client, shares):
                    self.submitted += submitted
        finally:
            lander.join()
            all_submitted.set()
        self.console.print(f"{len(self.submitted)} tasks submitted by {self.size.clients} clients, {self.landed} ingests landed meanwhile")
        runner.join()
        return time.monotonic() - started

    def doubled(self, task: registry.Task) -> bool:
        """Whether an object is a case of the task twice, or the task's files hold other cases than the registry counted."""
        cases = read_cases(self.storage, task.cases_folder or "", task.task_id)
        keys = [(case["product"], case["object"], case["id"]) for case in cases]
        return len(keys) != len(set(keys)) or len(keys) != task.cases

    def same_alone(self, task: registry.Task) -> bool:
        """Whether the task finds the same cases when it runs alone on the builds that its ledger names."""
        with self.engine.connect() as connection:
            (spec,) = registry.task_specs(connection, [task.task_id])
            found = builds_by_id(connection, {cell.build_id for cell in registry.cells(connection, task.task_id)})
        builds = {entity: [build for build in found if build.entity == entity] for entity in entities_of(self.catalogue, [spec])}
        alone = run_batch(
            open_session(self.settings),
            self.storage,
            self.catalogue,
            [spec],
            builds,
            f"cases/alone-{task.task_id}",
            broadcast_rows=self.settings.broadcast_rows,
            worker_rows=self.settings.worker_rows,
        )
        merged = read_cases(self.storage, task.cases_folder or "", task.task_id)
        return merged == read_cases(self.storage, alone.cases_folder, task.task_id)

    def _land(self, product: str, rows: list[Any], source: str) -> None:
        land_batches(self.engine, self.storage, self.catalogue, product=product, batches=rows, source=source, reader="load")

    def _land_later(self) -> None:
        """Lands the later ingests in parts, spread over the time of the load."""
        pieces = [
            (product, piece)
            for product, part in self.world.products.items()
            for piece in batches(part, LATER_INGEST, chunk_rows=max(100, self.size.world_rows // self.size.landings // 4))
        ]
        random.Random(1).shuffle(pieces)
        pause = Event()
        for number, (product, piece) in enumerate(pieces[: self.size.landings]):
            pause.wait(self.size.seconds / self.size.landings)
            self._land(product, [piece], f"later ingest {number}")
            self.landed += 1

    def _be_client(self, numbers: range) -> list[str]:
        """Submits tasks at random moments: any strategy, all or one product, all time or some months."""
        chance, pause, task_ids = random.Random(numbers.start), Event(), []
        moments = sorted(chance.uniform(0, self.size.seconds) for _ in numbers)
        began = time.monotonic()
        for moment in moments:
            pause.wait(max(0.0, began + moment - time.monotonic()))
            since = datetime(2024, chance.randint(1, 4), 1, tzinfo=UTC) if chance.random() < 0.3 else None
            strategy, products = chance.choice(list(self.products_of.items()))
            with self.engine.begin() as connection:
                task_ids.append(
                    submit(
                        connection,
                        self.catalogue,
                        strategy,
                        products=[chance.choice(products)] if chance.random() < 0.3 else [],
                        published_from=since,
                        published_to=since + timedelta(days=40) if since else None,
                        urgent=chance.random() < 0.1,
                        now=datetime.now(UTC),
                    )
                )
        return task_ids

    def _run_commands(self, all_submitted: Event) -> None:
        """Runs the command again and again until all tasks have ended, and kills it now and then."""
        chance, end = random.Random(7), time.monotonic() + PATIENCE_SECONDS
        environment = {**os.environ, "SRP_HOME": str(self.settings.home_folder), "SRP_CATALOGUE": str(CATALOGUE)}
        program = [sys.executable, "-m", "srp_assets.cli", "recall", "--now", "--json"]
        log = self.settings.home_folder / "recall.log"
        while time.monotonic() < end and not (all_submitted.is_set() and self._all_ended()):
            with (
                log.open("ab") as output,
                subprocess.Popen(program, cwd=PROJECT_ROOT, env=environment, stdout=output, stderr=output) as run,
            ):
                self._watch(run, chance)
            self.commands[run.returncode] += 1

    def _watch(self, run: "subprocess.Popen[bytes]", chance: random.Random) -> None:
        decided: set[tuple[str, int]] = set()
        while run.poll() is None:
            with self.engine.connect() as connection:
                running = registry.batches(connection, state="running")
            for batch in running:
                fate = (batch.batch_id, batch.attempt)
                mine = f":{run.pid}:" in (batch.worker or "")
                if not mine or fate in decided or batch.attempt >= self.settings.recall_attempts:
                    continue
                decided.add(fate)
                if self.kills < self.size.most_kills and chance.random() < KILL_CHANCE:
                    # The batch may have ended by then: then whatever the command does next is killed.
                    Event().wait(chance.uniform(0, LONGEST_LIFE_SECONDS))
                    if run.poll() is None:
                        run.send_signal(signal.SIGKILL)
                        self.kills += 1
                        self.console.print(f"  killed while batch {batch.batch_id} was at attempt {batch.attempt}")
            Event().wait(LOOK_SECONDS)

    def _all_ended(self) -> bool:
        with self.engine.connect() as connection:
            return set(registry.count_tasks(connection)) <= ENDED


def main() -> int:
    """Prints a table; with --json also writes the machine, the bars and all rows. Exit code 1 if a bar is missed."""
    arguments = parser_of(__doc__, quick="a small world and few tasks, within a minute or so").parse_args()
    end_in_order_when_stopped()
    console = Console(highlight=False)
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), catalogue=CATALOGUE, database_url=None, SPARK_REMOTE=None)
        try:
            rows, bars = measure(Load(settings, QUICK if arguments.quick else FULL, console))
        finally:
            spark_server.stop(settings)
    tell(bars, console)
    keep(arguments.json, rows, bars)
    return 0 if all(bar.holds for bar in bars) else 1


def measure(load: Load) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Runs the load, tells what came of it and judges it."""
    load.prepare()
    load.console.print(f"{load.size.world_rows:,} rows landed and built")
    seconds = load.run()
    with load.engine.connect() as connection:
        tasks = registry.tasks(connection)
        made = registry.batches(connection)
    done = [task for task in tasks if task.state == "done"]
    sample = random.Random(3).sample(done, min(load.size.sample, len(done)))
    different = [task.task_id for task in sample if not load.same_alone(task)]
    slo = load.settings.recall_slo_minutes * 60
    times = {
        "waited": [(task.started_at - task.queued_at).total_seconds() for task in done if task.started_at],
        "ran": [(task.finished_at - task.started_at).total_seconds() for task in done if task.finished_at and task.started_at],
        "total": [(task.finished_at - task.queued_at).total_seconds() for task in done if task.finished_at],
    }
    percentiles = {name: _percentiles(values) for name, values in times.items()}
    bars = [
        Bar("tasks lost", len(set(load.submitted) ^ {task.task_id for task in tasks}), 0),
        Bar("tasks that did not end done", len(tasks) - len(done), 0),
        Bar("tasks that are not complete", sum(not task.complete for task in done), 0),
        Bar("tasks with a case twice, or another number than was counted", sum(load.doubled(task) for task in done), 0),
        Bar(f"tasks that differ from a run alone, of {len(sample)}", len(different), 0),
        Bar("processes killed", load.kills, load.size.least_kills, ">="),
        Bar("p99 of the time from submission to end, s", percentiles["total"]["p99"], slo),
    ]
    counts = {
        "submitted": len(load.submitted),
        "done": len(done),
        "retried": sum(task.attempts > 1 for task in tasks),
        "batches": len(made),
        "split": sum(batch.state == "split" for batch in made),
        "killed": load.kills,
        "ingests": load.landed,
        "commands": sum(load.commands.values()),
        "seconds": round(seconds, 1),
    }
    failed = {task.task_id: task.error for task in tasks if task.state == "failed"}
    report(counts, percentiles, failed, load.console)
    rows = [{"seconds": name, **found} for name, found in percentiles.items()]
    return [*rows, {"counts": counts, "different": different, "failed": failed}], bars


def _percentiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return dict.fromkeys(("p50", "p95", "p99"), float("inf"))
    cuts = quantiles(values, n=100, method="inclusive")
    return {name: round(cuts[place - 1], 1) for name, place in (("p50", 50), ("p95", 95), ("p99", 99))}


def report(counts: dict[str, Any], percentiles: dict[str, dict[str, float]], failed: dict[str, Any], console: Console) -> None:
    """Prints the counts and the times."""
    console.print(", ".join(f"{name} {value}" for name, value in counts.items()), soft_wrap=True)
    table = Table("seconds", "p50", "p95", "p99")
    for name, found in percentiles.items():
        table.add_row(name, *(f"{found[cut]:.1f}" for cut in ("p50", "p95", "p99")))
    console.print(table)
    for task_id, error in failed.items():
        console.print(f"failed: {task_id}: {error}")


if __name__ == "__main__":
    sys.exit(main())
