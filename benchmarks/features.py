"""Features: from events to partial sums, from partial sums to the features of impressions, and the join of ready-made feature tables.

    python benchmarks/features.py [--quick] [--only SECTION] [--feast PYTHON] [--json FILE]

- `partials`: all partial sums of 7.1 million events for the features of the sample world.
- `impressions`: all features of 1 million impressions as of their times, written as Parquet.
- `tables`: 17,000 rows joined with 1,000 features of 10 tables of 100,000 rows each, in a process of its own, for its memory; the same by
  Feast, where `--feast` names the Python of an environment of its own that has feast (without one this is left out and said so).
- `growth`: partial sums of 1, 5 and 20 million events, a quarter of them of one user.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from support.feature_world import DAYS, ShopLogs, requests_of, write_logs
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from resources import spark_server
from resources.spark import open_session
from srp_assets.features.aggregation.layout import Layout, layout_of
from srp_assets.features.building.files import PartialFiles
from srp_assets.features.building.plan_join import write_features
from srp_assets.features.building.plan_partials import build_partials
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.feature_tables import FeatureTable, join_feature_tables
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKETS = 8
QUICK_DAYS = 15
EVENTS, QUICK_EVENTS = 7_100_000, 200_000
IMPRESSIONS, QUICK_IMPRESSIONS = 1_000_000, 20_000
GROWTH, QUICK_GROWTH = (1_000_000, 5_000_000, 20_000_000), (50_000, 100_000, 200_000)
TABLES, COLUMNS_OF_A_TABLE, REQUESTS = 10, 100, 17_000
VERSIONS, QUICK_VERSIONS = 100_000, 10_000
ENTITIES = 5_000
SECTIONS = ("partials", "impressions", "tables", "growth")
TIME = pa.timestamp("us", tz="UTC")


@dataclass
class Bench:
    """What the sections share: where they write, the session, what they found."""

    storage: Storage
    spark: "SparkSession"
    layout: Layout
    quick: bool
    feast: Path | None
    rows: list[dict[str, Any]]
    bars: list[Bar]
    logs: ShopLogs | None = None

    @property
    def days(self) -> int:
        """How many days logs have."""
        return QUICK_DAYS if self.quick else DAYS

    def timed(self, section: str, what: str, units: int, run: Callable[[], Any]) -> float:
        """Seconds that something takes, kept with how many units it did."""
        begin = time.perf_counter()
        run()
        seconds = time.perf_counter() - begin
        self.rows.append({"section": section, "what": what, "units": units, "seconds": seconds, "units_per_second": units / seconds})
        return seconds

    def joined(self, what: str, told: dict[str, float]) -> None:
        """Keeps what a join of ready-made tables took and found."""
        self.rows.append({"section": "tables", "what": what, "units": REQUESTS, "units_per_second": REQUESTS / told["seconds"], **told})

    def build(self, logs: ShopLogs) -> None:
        """Builds the partials of all days."""
        build_partials(self.spark, self.storage, self.layout, logs.days, logs.versions, BUCKETS)

    def warm_up(self) -> None:
        """Lets Spark's workers start and compile, which a server does once."""
        logs = write_logs(self.storage, 600, days=2, seed=9)
        self.build(logs)
        asked = pa.concat_tables(requests_of(self.storage, logs, 100))
        self.features(logs, asked)

    def features(self, logs: ShopLogs, requests: pa.Table) -> int:
        """Writes the features of requests; how many rows."""
        files = PartialFiles(self.storage, self.layout.definitions, {day.day: day.folder for day in logs.days})
        self.storage.write("requests.parquet", requests)
        frame = self.spark.read.parquet(self.storage.address("requests.parquet"))
        written = write_features(frame, files, self.layout, logs.versions, BUCKETS, f"features/{requests.num_rows}")
        return sum(file.rows for files in written.values() for file in files)


def partials(bench: Bench) -> None:
    """All partial sums of many events."""
    events = QUICK_EVENTS if bench.quick else EVENTS
    bench.logs = write_logs(bench.storage, events, days=bench.days)
    seconds = bench.timed("partials", "events to partial sums", events, lambda: bench.build(bench.logs))
    if not bench.quick:
        bench.bars.append(Bar("7.1 million events to all partial sums, seconds", seconds, 300))


def impressions(bench: Bench) -> None:
    """All features of many impressions."""
    if bench.logs is None:
        partials(bench)
    wanted = QUICK_IMPRESSIONS if bench.quick else IMPRESSIONS
    requests = pa.concat_tables(requests_of(bench.storage, bench.logs, wanted))
    features = len(bench.layout.definitions.features)
    written: list[int] = []
    what = f"impressions with {features} features"
    seconds = bench.timed("impressions", what, requests.num_rows, lambda: written.append(bench.features(bench.logs, requests)))
    assert written == [requests.num_rows], f"{written} rows of {requests.num_rows}"
    if not bench.quick:
        bench.bars.append(Bar(f"1 million impressions x {features} features, seconds", seconds * IMPRESSIONS / requests.num_rows, 180))


def tables(bench: Bench) -> None:
    """Ready-made feature tables, joined by a process that does nothing else."""
    folder = Path(bench.storage.location)
    command = [sys.executable, __file__, "--join-in", str(folder), *(["--quick"] if bench.quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    own = json.loads(done.stdout.splitlines()[-1])
    bench.joined("requests x 1,000 features of 10 tables", own)
    by_feast(bench, folder, own)
    bench.bars.append(Bar("17,000 rows x 1,000 features of 10 tables, seconds", own["seconds"], 60))
    bench.bars.append(Bar("17,000 rows x 1,000 features of 10 tables, peak memory in GB", own["gigabytes"], 4))


def by_feast(bench: Bench, folder: Path, own: dict[str, float]) -> None:
    """The same tables and requests, joined by Feast, which leaves out requests that come before the first row in some table.

    So the values of the others are compared, by their sum.
    """
    if bench.feast is None:
        bench.rows.append({"section": "tables", "what": "the same by Feast: left out, --feast names no environment that has it"})
        return
    script = Path(__file__).parent / "support" / "feast_join.py"
    done = subprocess.run([bench.feast, script, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        word = (done.stderr.strip().splitlines() or ["no word"])[-1]
        bench.rows.append({"section": "tables", "what": f"the same by Feast: ended with {done.returncode}, {word}"})
        return
    found = json.loads(done.stdout.splitlines()[-1])
    bench.joined("the same by Feast", found)
    bench.bars.append(Bar("requests with all values, of one join and of the other", abs(found["complete"] - own["complete"]), 0))
    bench.bars.append(Bar("the sum of these values, relative difference", abs(found["sum"] / own["sum"] - 1), 1e-9))
    bench.bars.append(Bar("seconds of the join, against Feast", own["seconds"] / found["seconds"], 1))


def join_in(folder: str, quick: bool) -> None:
    """What `tables` runs: writes the tables, joins them, tells seconds, the greatest memory in GB, and how many values were found."""
    storage, random = Storage(folder), np.random.default_rng(3)
    begin, versions = microseconds(datetime(2024, 1, 1, tzinfo=UTC)), QUICK_VERSIONS if quick else VERSIONS
    asked = []
    for number in range(TABLES):
        columns = {
            "entity": pa.array([f"e{code}" for code in random.integers(0, ENTITIES, versions)]),
            "at": pa.array(begin + random.integers(0, 90 * MICROSECONDS_OF_DAY, versions), TIME),
        }
        columns |= {f"f{place}": pa.array(random.random(versions)) for place in range(COLUMNS_OF_A_TABLE)}
        storage.write(f"tables/{number}.parquet", pa.table(columns), row_group_rows=20_000, dictionaries=False)
        names = tuple(f"f{place}" for place in range(COLUMNS_OF_A_TABLE))
        asked.append(FeatureTable(f"t{number}", (f"tables/{number}.parquet",), ("entity",), "at", names))
        del columns
    requests = pa.table(
        {
            "entity": pa.array([f"e{code}" for code in random.integers(0, ENTITIES, REQUESTS)]),
            "as_of": pa.array(begin + random.integers(0, 90 * MICROSECONDS_OF_DAY, REQUESTS), TIME),
        }
    )
    storage.write("requests.parquet", requests)
    start = time.perf_counter()
    found = join_feature_tables(storage, requests, asked)
    seconds = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    values = np.stack([column.to_numpy() for column in found.columns])
    complete = ~np.isnan(values).any(axis=0)
    told = {
        "seconds": seconds,
        "gigabytes": gigabytes,
        "rows": found.num_rows,
        "complete": int(complete.sum()),
        "sum": float(values[:, complete].sum()),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def growth(bench: Bench) -> None:
    """Partial sums of ever more events, a quarter of them of one user."""
    per_million = []
    for events in QUICK_GROWTH if bench.quick else GROWTH:
        logs = write_logs(bench.storage, events, days=bench.days, heavy_user_events=events // 4, seed=4)
        seconds = bench.timed("growth", "events to partial sums, a quarter of one user", events, lambda logs=logs: bench.build(logs))
        per_million.append(seconds / events)
    if not bench.quick:
        bench.bars.append(Bar("time for an event, of 20 million against of 5 million", per_million[2] / per_million[1], 1.2))


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """The table of results."""
    grid = Table("section", "what", "units", "seconds", "units/s")
    for row in rows:
        if "seconds" in row:
            grid.add_row(row["section"], row["what"], f"{row['units']:,}", f"{row['seconds']:.1f}", f"{row['units_per_second']:,.0f}")
        else:
            grid.add_row(row["section"], row["what"])
    console.print(grid)


def main() -> None:
    """Runs the sections that are asked for."""
    parser = parser_of(__doc__, quick="much fewer rows, within a minute; no bars that need the full size")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this section; may be given several times")
    parser.add_argument("--feast", type=Path, help="Python of an environment that has feast")
    parser.add_argument("--join-in", help="the section `tables` in this process, with its tables below this folder")
    arguments = parser.parse_args()
    if arguments.join_in:
        join_in(arguments.join_in, arguments.quick)
        return
    end_in_order_when_stopped()
    console = Console()
    with TemporaryDirectory(prefix="srp-features-") as folder:
        settings = Settings(home=Path(folder) / "home", spark_memory="3g", SPARK_REMOTE=None)
        layout = layout_of(load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml"))
        bench = Bench(Storage(str(Path(folder) / "warehouse")), open_session(settings), layout, arguments.quick, arguments.feast, [], [])
        try:
            bench.warm_up()
            for section in arguments.only or SECTIONS:
                {"partials": partials, "impressions": impressions, "tables": tables, "growth": growth}[section](bench)
        finally:
            spark_server.stop(settings)
    show(bench.rows, console)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


if __name__ == "__main__":
    main()
