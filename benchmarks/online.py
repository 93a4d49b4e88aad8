"""The online side: one request, the stream, a restart in mid-day, memory; and Feast's online read beside it, where it can be had.

    python benchmarks/online.py [--quick] [--only SECTION] [--feast PYTHON] [--json FILE]

- `stream`: events that one process counts in a second.
- `request`: one request of 200 candidates x 70 features, against a Redis on this machine; the store holds what `stream` counted.
- `restart`: the store from partial sums and the log of the day until now.
- `memory`: of the store, by user, item and portrait.
- `feast`: the same read, 200 candidates x 70 features, by Feast's Python SDK from the same kind of Redis. `--feast` names the Python of an
  environment of its own that has feast[redis]; without one this section is left out and said so.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from support.feature_world import FIRST_DAY, ITEMS, QUERIES, ShopLogs, write_logs
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from resources import redis as redis_server
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.files import PartialFiles, read_versions, write_day
from srp_assets.features.building.plan_partials import read_events
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.twin import Twin
from srp_assets.online.attributes import table_bytes
from srp_assets.online.consuming.consumer import Consumer
from srp_assets.online.consuming.loading import DayInputs, load_day
from srp_assets.online.consuming.stream import ActionFiles, events_of
from srp_assets.online.records.layout import RecordLayout, record_layout
from srp_assets.online.store import Position, Store
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.storage import Storage

CANDIDATES, FEATURES = 200, 70
BUCKETS = 4
DAYS, QUICK_DAYS = 14, 3
EVENTS_OF_A_DAY, QUICK_EVENTS_OF_A_DAY = 20_000, 2_000
RESTART_EVENTS, QUICK_RESTART_EVENTS = 1_000_000, 20_000
REQUESTS, QUICK_REQUESTS = 1_000, 200
WARM_UP, WARM_UP_EVENTS = 50, 2_000
LOOKBACK = 60
SECTIONS = ("stream", "request", "restart", "memory", "feast")
END_OF_TIME = 2**62


@dataclass
class Bench:
    """What the sections share."""

    storage: Storage
    settings: Settings
    quick: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def note(self, section: str, what: str, value: float, unit: str) -> None:
        """Keeps a figure."""
        self.rows.append({"section": section, "what": what, "value": value, "unit": unit})


def seventy(definitions: Definitions) -> Definitions:
    """Seventy features of the sample world, some of every entity."""
    names: list[str] = []
    by_entity: dict[str, list[str]] = {}
    for feature in definitions.features.values():
        by_entity.setdefault(feature.entity, []).append(feature.name)
    while any(by_entity.values()):
        for waiting in by_entity.values():
            if waiting and len(definitions.selected([*names, waiting[0]]).features) <= FEATURES:
                names.append(waiting[0])
            del waiting[:1]
    return definitions.selected(names)


def main() -> None:
    """Runs the sections, prints their rows and bars, writes JSON if asked to."""
    parser = parser_of(__doc__, quick="a few days and fewer events: ends within a minute")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="leave out the other sections")
    parser.add_argument("--feast", type=Path, help="Python of an environment that has feast[redis]")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    with TemporaryDirectory(prefix="srp-bench-") as folder:
        bench = Bench(Storage(f"{folder}/warehouse"), Settings(home=Path(folder) / "home"), arguments.quick)
        try:
            run(bench, arguments.only or SECTIONS, arguments.feast)
        finally:
            redis_server.stop(bench.settings)
    table = Table("section", "what", "value", "unit")
    for row in bench.rows:
        table.add_row(row["section"], row["what"], f"{row['value']:,.2f}", row["unit"])
    console.print(table)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


def run(bench: Bench, sections: Sequence[str], feast: Path | None) -> None:
    """Runs the sections on one world."""
    definitions = load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml")
    layout = record_layout(layout_of(definitions))
    days = QUICK_DAYS if bench.quick else DAYS
    logs = write_logs(bench.storage, days * (QUICK_EVENTS_OF_A_DAY if bench.quick else EVENTS_OF_A_DAY), days=days)
    with redis_server.writing_client(bench.settings) as client:
        store = Store(client)
        if {"stream", "request", "memory"} & set(sections):
            stream(bench, store, layout, logs)
        if "request" in sections:
            request(bench, layout, "all features", None)
            request(bench, layout, f"{FEATURES} features", seventy(definitions))
        if "memory" in sections:
            memory(bench, store)
        if "restart" in sections:
            restart(bench, store, layout)
    if "feast" in sections:
        compare_with_feast(bench, feast)


def attributes(layout: RecordLayout, logs: ShopLogs) -> dict[str, bytes]:
    """The attributes as the store keeps them."""
    names = [name for source in layout.definitions.attributes.values() for name in source.columns]
    return {name: table_bytes(table) for name, table in read_versions(layout.definitions, logs.versions, names).items()}


def files_of(logs: ShopLogs) -> ActionFiles:
    """The actions of a world."""
    return ActionFiles(logs.days[0].storage, {day.day: day.paths for day in logs.days})


def stream(bench: Bench, store: Store, layout: RecordLayout, logs: ShopLogs) -> None:
    """Counts all events in the order in which they were known."""
    pointer = store.write_attributes(store.begin(layout.digest, "", Position()), attributes(layout, logs))
    consumer = Consumer(store, layout, pointer)
    store.make_current(pointer)
    actions = files_of(logs).read(layout.definitions, list(range(FIRST_DAY, FIRST_DAY + DAYS)), 0, END_OF_TIME)
    events = list(events_of(actions))
    warm_up, events = events[:WARM_UP_EVENTS], events[WARM_UP_EVENTS:]
    consumer.consume(warm_up, 0)
    begin, processor = time.perf_counter(), time.process_time()
    consumer.consume(events, END_OF_TIME)
    seconds, own = time.perf_counter() - begin, time.process_time() - processor
    bench.note("stream", "events counted", len(events), "events")
    bench.note("stream", "rate", len(events) / seconds, "events/s")
    bench.note("stream", "processor of the consumer, Redis aside", own / len(events) * 1e6, "us/event")
    bench.bars.append(Bar("events counted by one process in a second", len(events) / seconds, 5_000, ">="))


def request(bench: Bench, layout: RecordLayout, name: str, selected: Definitions | None) -> None:
    """Requests of active users, each with other candidates."""
    days = QUICK_DAYS if bench.quick else DAYS
    with redis_server.serving_client(bench.settings) as client:
        store = Store(client)
        twin = Twin(store, layout, selected)
        random = np.random.default_rng(3)
        as_of = (FIRST_DAY + days) * MICROSECONDS_OF_DAY - 1
        seconds = []
        for _ in range(WARM_UP + (QUICK_REQUESTS if bench.quick else REQUESTS)):
            asked = a_request(random, as_of)
            begin = time.perf_counter()
            answer = twin.answer(asked)
            seconds.append(time.perf_counter() - begin)
            if answer.defaulted:
                raise SystemExit(f"the store did not answer: {answer.problem}")
    measured = np.array(seconds[WARM_UP:]) * 1e3
    features = len(layout.definitions.features if selected is None else selected.features)
    for percent in (50, 99):
        bench.note("request", f"{CANDIDATES} candidates x {features} features, p{percent}", float(np.percentile(measured, percent)), "ms")
    if features == FEATURES:
        bench.bars.append(Bar(f"one request, {CANDIDATES} x {FEATURES}, p50 in ms", float(np.percentile(measured, 50)), 10))
        bench.bars.append(Bar(f"one request, {CANDIDATES} x {FEATURES}, p99 in ms", float(np.percentile(measured, 99)), 30))


def a_request(random: np.random.Generator, as_of: int) -> Request:
    """A request of a user as often as users act, with popular and other items."""
    users = 20
    items = np.unique((ITEMS * random.random(CANDIDATES * 2) ** 3).astype(int))
    chosen = random.permutation(items)[:CANDIDATES]
    user = int(users * random.random() ** 3)
    context = {
        "user_id": f"u{user}",
        "market": f"m{user % 40}",
        "query": f"q{int(QUERIES * random.random() ** 3)}",
        "device": f"d{user % 3}",
        "page": "p1",
        "location": f"l{user % 50}",
    }
    return Request("bench", as_of, context, {"item_id": [f"i{item}" for item in chosen], "price": [9.5] * len(chosen)})


def memory(bench: Bench, store: Store) -> None:
    """What a user, an item and everything else take."""
    pointer = store.pointer()
    assert pointer is not None
    sizes = store.sizes(pointer)
    for name, (keys, size) in sorted(sizes.items()):
        bench.note("memory", f"{name}: keys", keys, "keys")
        bench.note("memory", f"{name}: a key", size / keys, "bytes")
    (users, of_users), (items, of_items), (_, of_portraits) = (sizes[name] for name in ("user_id", "item_id", "portrait"))
    bench.note("memory", "a user, record and portrait", (of_users + of_portraits) / users, "bytes")
    bench.note("memory", "an item", of_items / items, "bytes")
    bench.note("memory", "all keys", sum(size for _, size in sizes.values()) / 2**20, "MB")


def restart(bench: Bench, store: Store, layout: RecordLayout) -> None:
    """The store is lost at the end of a day of many events: partial sums of the days before, then the day's log."""
    rows = QUICK_RESTART_EVENTS if bench.quick else RESTART_EVENTS
    logs = write_logs(bench.storage, rows + rows, days=2, seed=5)
    before = [day for day in logs.days if day.day == FIRST_DAY]
    attributes_of_day: dict[str, dict[str, pa.Table]] = {}
    for day in before:
        for family in layout.layout.families:
            if family.key not in attributes_of_day:
                attributes_of_day[family.key] = read_versions(layout.definitions, logs.versions, family.raw_columns)
            events = read_events(layout.definitions, family, day, attributes_of_day[family.key])
            write_day(bench.storage, layout.definitions, family, events, day.folder, BUCKETS)
    partials = PartialFiles(bench.storage, layout.definitions, {day.day: day.folder for day in before})
    inputs = DayInputs(partials, BUCKETS, logs.versions, files_of(logs))
    begin = time.perf_counter()
    loaded = load_day(store, layout, inputs, FIRST_DAY + 1, "restart")
    between = time.perf_counter()
    consumer = Consumer(store, layout, loaded.pointer)
    first = (FIRST_DAY + 1) * MICROSECONDS_OF_DAY
    counted = 0
    for part in inputs.actions.known_between(layout.definitions, first, first + MICROSECONDS_OF_DAY, LOOKBACK):
        counted += consumer.consume(events_of(part), first + MICROSECONDS_OF_DAY).events
    store.make_current(loaded.pointer)
    end = time.perf_counter()
    bench.note(
        "restart", f"load of {loaded.records:,} records, {loaded.portraits:,} portraits, {loaded.events:,} events", between - begin, "s"
    )
    bench.note("restart", f"log of {counted:,} events", end - between, "s")
    bench.bars.append(Bar(f"restart in mid-day with a log of {counted:,} events, in minutes", (end - begin) / 60, 5))


@contextmanager
def loopback_redis() -> Iterator[str]:
    """The address of an empty Redis of the same kind: Feast's client takes no unix socket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [redis_server.server_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def compare_with_feast(bench: Bench, python: Path | None) -> None:
    """Feast reads the same shape in an environment of its own."""
    if python is None:
        bench.note("feast", "left out: --feast names no environment that has feast[redis]", 0, "")
        return
    script = Path(__file__).parent / "support" / "feast_read.py"
    rounds = str(QUICK_REQUESTS if bench.quick else REQUESTS)
    with loopback_redis() as address:
        run = subprocess.run([python, script, address, str(CANDIDATES), str(FEATURES), rounds], capture_output=True, text=True, check=False)
    if run.returncode:
        bench.note("feast", f"failed: {run.stderr.strip().splitlines()[-1]}", 0, "")
        return
    found = json.loads(run.stdout.splitlines()[-1])
    for name, value in found.items():
        bench.note("feast", f"{CANDIDATES} entities x {FEATURES} features, {name}", value, "ms")


if __name__ == "__main__":
    main()
