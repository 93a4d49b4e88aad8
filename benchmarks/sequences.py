"""Sequences: of requests from raw actions in Spark, of one user with very many, at request time, and what an approximate search misses.

    python benchmarks/sequences.py [--quick] [--only SECTION] [--json FILE]

- `online`: a request of 200 candidates over a portrait of 10,000 actions in Redis, with the portrait's index in the process and without;
  what the index takes to build, to grow by one action, and in memory.
- `growth`: one request for a hundred actions and a user for seventy, users by a power law, 5 candidates a request, at 1, 4 and 16 times the
  size: all months kept and all stages written (portraits aside). Beside it the plain way: requests joined with actions, a window over each
  request, the newest 10,000 collected; it stops at the portrait, where ours goes on to the final sequences.
- `split`: the same requests with other numbers of buckets and of requests at once.
- `skew`: eight million actions, five of them of one user, against as many of all.
- `recall`: how much of what an exact soft search finds a search by signatures finds, over a portrait of 10,000.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from support.feature_world import FIRST_DAY, ITEMS, ShopLogs, requests_of, write_logs
from support.plain_sequences import plain_portraits
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from resources import redis as redis_server
from resources import spark_server
from resources.spark import open_session
from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.files import read_versions
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.answering.columns import Request
from srp_assets.online.attributes import table_bytes
from srp_assets.online.portrait import portrait_entry
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Addition, Position, Store, portrait_key
from srp_assets.sequences.answering import SequenceTwin
from srp_assets.sequences.building.actions import ActionFiles, kept_schema
from srp_assets.sequences.building.computing import CANDIDATES
from srp_assets.sequences.building.plan_months import Month, write_month
from srp_assets.sequences.building.plan_stages import write_stages
from srp_assets.sequences.building.stage_job import Job
from srp_assets.sequences.declaration import Document, SoftSearch, load_sequences
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECTIONS = ("online", "growth", "split", "skew", "recall")
BUCKETS, SPLIT_ROWS = 8, 5_000
ACTIONS, QUICK_ACTIONS = 1_000_000, 50_000
GROWTH, QUICK_GROWTH = (1, 4, 16), (1, 4)
PLAIN_UP_TO = 4
ACTIONS_OF_A_REQUEST = 100
CANDIDATES_OF_A_REQUEST = 5
PORTRAIT, ASKED = 10_000, 200
USERS, QUICK_USERS = 20, 4
REQUESTS, QUICK_REQUESTS = 600, 60
WARM_UP = 20
JANUARY = 31
DAYS, QUICK_DAYS = 60, 40
DIMENSIONS = 32


@dataclass
class Bench:
    """What the sections share: where they write, what is declared, what they found."""

    folder: Path
    storage: Storage
    definitions: Definitions
    document: Document
    settings: Settings
    quick: bool
    rows: list[dict[str, Any]]
    bars: list[Bar]
    session: "SparkSession | None" = None

    @property
    def spark(self) -> "SparkSession":
        """The session, started when it is first needed."""
        if self.session is None:
            self.session = open_session(self.settings)
        return self.session

    @property
    def days(self) -> int:
        """How many days logs have."""
        return QUICK_DAYS if self.quick else DAYS

    def note(self, section: str, what: str, value: float, unit: str) -> None:
        """Keeps a figure."""
        self.rows.append({"section": section, "what": what, "value": value, "unit": unit})


def seconds_of(run: Callable[[], Any]) -> float:
    """How long something takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def asked_requests(bench: Bench, logs: ShopLogs) -> str:
    """Writes requests of the last month; where they lie."""
    shown = pa.concat_tables(requests_of(bench.storage, logs, logs.events // ACTIONS_OF_A_REQUEST, last_days=min(29, bench.days - JANUARY)))
    random = np.random.default_rng(5)
    items = [f"i{number}" for number in range(ITEMS)]
    chosen = (ITEMS * random.random((shown.num_rows, CANDIDATES_OF_A_REQUEST)) ** 3).astype(int).tolist()
    candidates = pa.array([[items[number] for number in row] for row in chosen], pa.list_(pa.string()))
    columns = {name: shown[name] for name in ("user_id", "as_of", "market", "query", "device", "page", "location")}
    path = f"requests/{logs.events}.parquet"
    bench.storage.write(path, pa.table({"trace_id": shown["event_id"], **columns, CANDIDATES: candidates}))
    return path


def actions_of(bench: Bench, logs: ShopLogs, days: range) -> ActionFiles:
    """The actions of some days, by their numbers."""
    paths = tuple(path for number, day in enumerate(logs.days) if number in days for path in day.paths)
    return ActionFiles(bench.storage, paths, kept_schema(bench.document, bench.definitions))


def keep_months(bench: Bench, logs: ShopLogs, folder: str, buckets: int) -> list[str]:
    """Keeps both months; their folders."""
    found = []
    for name, days in (("january", range(JANUARY)), ("february", range(JANUARY, len(logs.days)))):
        keep = bench.document.portrait.length * 5 // 4
        write_month(bench.spark, actions_of(bench, logs, days), Month(bench.storage, f"{folder}/{name}", keep, buckets))
        found.append(f"{folder}/{name}")
    return found


def write_sequences(bench: Bench, logs: ShopLogs, requests: str, months: Sequence[str], folder: str, buckets: int, split_rows: int) -> int:
    """Writes all stages but portraits; how many requests needed raw actions."""
    job = Job(bench.document, bench.definitions, logs.versions, bench.storage, months, folder, buckets, split_rows, portraits=False)
    raw = actions_of(bench, logs, range(len(logs.days)))
    written = write_stages(bench.spark.read.parquet(bench.storage.address(requests)), raw, job)
    return sum(written.short.values())


def both(
    bench: Bench, logs: ShopLogs, requests: str, folder: str, buckets: int = BUCKETS, split_rows: int = SPLIT_ROWS
) -> tuple[float, int]:
    """Seconds from raw actions to final sequences, and how many requests needed raw actions."""
    short: list[int] = []

    def run() -> None:
        months = keep_months(bench, logs, f"{folder}/months", buckets)
        short.append(write_sequences(bench, logs, requests, months, f"{folder}/stages", buckets, split_rows))

    return seconds_of(run), short[0]


def warm_up(bench: Bench) -> None:
    """Lets Spark's workers start and compile, which a server does once."""
    logs = write_logs(bench.storage, 4_000, days=bench.days, seed=9)
    both(bench, logs, asked_requests(bench, logs), "warm")


def growth(bench: Bench) -> None:
    """Ever more actions and requests, ours and the plain way."""
    per_action = []
    for factor in QUICK_GROWTH if bench.quick else GROWTH:
        logs = write_logs(bench.storage, (QUICK_ACTIONS if bench.quick else ACTIONS) * factor, days=bench.days, seed=4)
        requests = asked_requests(bench, logs)
        count = bench.storage.rows(requests)
        seconds, short = both(bench, logs, requests, f"growth/{factor}")
        per_action.append(seconds / logs.events)
        what = f"{logs.events:,} actions, {count:,} requests"
        bench.note("growth", f"{what}: months and all stages", seconds, "s")
        bench.note("growth", f"{what}: requests that needed raw actions", short, "requests")
        if factor <= PLAIN_UP_TO:
            frame = bench.spark.read.parquet(bench.storage.address(requests))
            files = actions_of(bench, logs, range(len(logs.days)))
            raw = bench.spark.read.parquet(*map(bench.storage.address, files.paths)).select(*files.schema.names)
            plain = seconds_of(lambda frame=frame, raw=raw: plain_portraits(frame, raw, bench.document.portrait, f"{bench.folder}/plain"))
            bench.note("growth", f"{what}: the plain way, to the portrait", plain, "s")
            if factor == PLAIN_UP_TO:
                bench.bars.append(Bar("plain window and collect, against ours", plain / seconds, 5, ">="))
    if not bench.quick:
        bench.bars.append(Bar("time for an action, at 16 times the size against 4 times", per_action[2] / per_action[1], 1.2))


def split(bench: Bench) -> None:
    """The same work cut in other ways."""
    logs = write_logs(bench.storage, (QUICK_ACTIONS if bench.quick else ACTIONS) // 2, days=bench.days, seed=6)
    requests = asked_requests(bench, logs)
    for buckets, rows in ((2, 5_000), (8, 5_000), (32, 5_000), (8, 200)):
        seconds, _ = both(bench, logs, requests, f"split/{buckets}-{rows}", buckets, rows)
        bench.note("split", f"{logs.events:,} actions, {buckets} buckets, {rows:,} requests at once", seconds, "s")


def skew(bench: Bench) -> None:
    """As many actions with and without a user who has most of them."""
    events, heavy = (QUICK_ACTIONS * 4, QUICK_ACTIONS * 2) if bench.quick else (ACTIONS * 8, 5_000_000)
    found = []
    for name, own in (("even", 0), ("one user has most", heavy)):
        logs = write_logs(bench.storage, events, days=bench.days, heavy_user_events=own, seed=8)
        requests = asked_requests(bench, logs)
        seconds, short = both(bench, logs, requests, f"skew/{name[0]}")
        found.append(seconds)
        bench.note("skew", f"{events:,} actions, {name} ({own:,}): months and all stages", seconds, "s")
        bench.note("skew", f"{events:,} actions, {name}: requests that needed raw actions", short, "requests")
    bench.bars.append(Bar(f"a user with {heavy:,} actions, against even", found[1] / found[0], 1.5))


def online(bench: Bench) -> None:
    """Requests of users with full portraits, on a real Redis."""
    layout = record_layout(layout_of(bench.definitions))
    logs = write_logs(bench.storage, 1_000, days=bench.days, seed=3)
    names = [name for source in bench.definitions.attributes.values() for name in source.columns]
    tables = read_versions(bench.definitions, logs.versions, names)
    random = np.random.default_rng(3)
    users = QUICK_USERS if bench.quick else USERS
    with redis_server.writing_client(bench.settings) as client:
        store = Store(client)
        pointer = store.begin(layout.digest, "", Position())
        pointer = store.write_attributes(pointer, {name: table_bytes(table) for name, table in tables.items()})
        for user in range(users):
            texts: dict[int, str] = {}
            data = b"".join(portrait_entry(event, texts) for event in events_of_user(random, user, PORTRAIT))
            store.count(pointer, Position(), Position(), Addition({portrait_key(f"u{user}"): data}, 0, [], texts), 100_000)
        store.make_current(pointer)
        for name, document in (("1,000", bench.document), ("all 10,000", whole_portraits(bench.document))):
            measure_requests(bench, Store(client), document, name, users, random)
        measure_index(bench, Store(client), users, random)
    redis_server.stop(bench.settings)


def whole_portraits(document: Document) -> Document:
    """The same with general searches that leave nothing out."""
    sequences = tuple(
        own.model_copy(update={"general": own.general.model_copy(update={"length": PORTRAIT, "where": (), "order": ()})})
        for own in document.sequences
    )
    return document.model_copy(update={"sequences": sequences})


def measure_requests(bench: Bench, store: Store, document: Document, name: str, users: int, random: np.random.Generator) -> None:
    """Requests with the portrait's index in the process, and the first ones of a process that has none."""
    twin = SequenceTwin(store, bench.definitions, document)
    warm, cold = [], []
    for number in range(WARM_UP + (QUICK_REQUESTS if bench.quick else REQUESTS)):
        asked = a_request(bench, random, number % users)
        warm.append(seconds_of(lambda asked=asked: answered(twin, asked)))
    for number in range(WARM_UP + (QUICK_REQUESTS if bench.quick else REQUESTS) // 4):
        asked = a_request(bench, random, number % users)
        twin.forget_portraits()
        cold.append(seconds_of(lambda asked=asked: answered(twin, asked)))
    for kind, seconds in (("with an index", warm[max(WARM_UP, users) :]), ("without", cold[WARM_UP:])):
        for percent in (50, 99):
            value = float(np.percentile(np.array(seconds) * 1e3, percent))
            bench.note("online", f"{PORTRAIT:,} actions x {ASKED} candidates, searching {name}, {kind}, p{percent}", value, "ms")
            if percent == 99:
                bench.bars.append(Bar(f"online search of {name}, {kind}, p99 in ms", value, 10))


def answered(twin: SequenceTwin, asked: Request) -> None:
    """Asks; a store that does not answer ends the run."""
    answer = twin.answer(asked)
    if answer.problem is not None:
        raise SystemExit(f"the store did not answer: {answer.problem}")


def measure_index(bench: Bench, store: Store, users: int, random: np.random.Generator) -> None:
    """What an index takes."""
    twin = SequenceTwin(store, bench.definitions, bench.document)
    twin.answer(a_request(bench, random, 0))
    pointer = store.pointer()
    assert pointer is not None
    built, grown, sizes = [], [], []
    for user in range(users):
        key = portrait_key(f"u{user}")
        data = store.read(pointer, [key]).values[0] or b""
        index = twin.new_index()
        built.append(seconds_of(lambda index=index, data=data: index.take(data)))
        more = data + portrait_entry(events_of_user(random, user, 1)[0], {})
        grown.append(seconds_of(lambda index=index, more=more: index.take(more)))
        sizes.append(index.size / len(data))
    bench.note("online", f"index of {PORTRAIT:,} actions: built", float(np.median(built)) * 1e3, "ms")
    bench.note("online", f"index of {PORTRAIT:,} actions: grown by one", float(np.median(grown)) * 1e3, "ms")
    bench.note("online", "index, against the portrait itself", float(np.median(sizes)), "of its bytes")


def events_of_user(random: np.random.Generator, user: int, count: int) -> list[dict[str, Any]]:
    """Actions of sixty days in order."""
    end = (FIRST_DAY + DAYS) * MICROSECONDS_OF_DAY
    times = np.sort(end - random.integers(1, 59 * MICROSECONDS_OF_DAY, count)).tolist()
    kinds = random.choice(["impression", "click", "cart", "order"], count, p=[0.8, 0.15, 0.03, 0.02]).tolist()
    items = (ITEMS * random.random(count) ** 3).astype(int).tolist()
    fixed = dict.fromkeys(("query", "location", "position", "amount", "quantity", "dwell_seconds"))
    return [
        {**fixed, "event_id": f"{user}-{number:08d}", "event_time": time, "arrival_time": time, "kind": kind, "user_id": f"u{user}",
         "item_id": f"i{item}", "market": f"m{user % 40}", "device": "d1", "page": "p1", "price": 9.5}
        for number, (time, kind, item) in enumerate(zip(times, kinds, items, strict=True))
    ]  # fmt: skip


def a_request(bench: Bench, random: np.random.Generator, user: int) -> Request:
    """A request with other candidates each time."""
    items = random.permutation(np.unique((ITEMS * random.random(ASKED * 2) ** 3).astype(int)))[:ASKED]
    context = {"user_id": f"u{user}", "market": f"m{user % 40}", "device": "d1"}
    return Request("bench", (FIRST_DAY + DAYS) * MICROSECONDS_OF_DAY - 1, context, {"item_id": [f"i{item}" for item in items]})


def recall(bench: Bench) -> None:
    """What a search by signatures finds of what an exact one does, for vectors in clusters as those of items are."""
    from srp_assets.sequences.search.kernels import soft_search

    random = np.random.default_rng(2)
    centres = random.standard_normal((40, DIMENSIONS))
    vectors = (centres[random.integers(0, 40, ITEMS)] + 0.6 * random.standard_normal((ITEMS, DIMENSIONS))).astype(np.float32)
    known = SearchVectors(ItemVectors("bench", pa.array([f"i{number}" for number in range(ITEMS)]), vectors))
    rows = np.arange(PORTRAIT)
    places = (ITEMS * random.random(PORTRAIT) ** 3).astype(np.int64)
    wanted = random.integers(0, ITEMS, ASKED)
    length = SoftSearch(search="soft").length
    found = {}
    for name, factor in (("exact", 0), ("4 times", 4), ("10 times", 10)):
        chosen, scores, counts = np.empty((ASKED, length), np.int64), np.empty((ASKED, length)), np.zeros(ASKED, np.int64)

        def run(nearest: int = factor * length, chosen: Any = chosen, scores: Any = scores, counts: Any = counts) -> None:
            soft_search(known.matrix, rows, places, wanted, np.zeros(PORTRAIT), known.signatures, nearest, chosen, scores, counts)

        run()
        bench.note("recall", f"{PORTRAIT:,} actions x {ASKED} candidates, {name}", seconds_of(run) * 1e3, "ms")
        found[name] = chosen
        if factor:
            shares = [len(np.intersect1d(own, its)) / length for own, its in zip(found["exact"], chosen, strict=True)]
            bench.note("recall", f"found of the exact {length}, looking at {name} as many", float(np.mean(shares)), "share")


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """The table of results."""
    grid = Table("section", "what", "value", "unit")
    for row in rows:
        grid.add_row(row["section"], row["what"], f"{row['value']:,.2f}", row["unit"])
    console.print(grid)


def main() -> None:
    """Runs the sections that are asked for."""
    parser = parser_of(__doc__, quick="much fewer rows, within a minute; no bars that need the full size")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this section; may be given several times")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    sections = {"online": online, "growth": growth, "split": split, "skew": skew, "recall": recall}
    with TemporaryDirectory(prefix="srp-sequences-") as folder:
        settings = Settings(home=Path(folder) / "home", spark_memory="2g", SPARK_REMOTE=None)
        definitions = load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml")
        declared = load_sequences(PROJECT_ROOT / "examples" / "sample" / "sequences.yaml", definitions)
        # Here is no version of vectors: the sections that search softly declare that themselves.
        hard = tuple(own for own in declared.sequences if own.final.search == "hard")
        document = declared.model_copy(update={"sequences": hard, "embeddings": None})
        storage = Storage(str(Path(folder) / "warehouse"))
        bench = Bench(Path(folder), storage, definitions, document, settings, arguments.quick, [], [])
        wanted = arguments.only or SECTIONS
        try:
            if {"growth", "split", "skew"} & set(wanted):
                warm_up(bench)
            for section in wanted:
                sections[section](bench)
        finally:
            spark_server.stop(settings)
    show(bench.rows, console)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


if __name__ == "__main__":
    main()
