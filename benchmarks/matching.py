"""How fast words are found in columns of text: the scanner of this project against the engines that people use for it.

Every cell is a language, a regime (`support/word_data.py`) and a number of words. All engines get the same Arrow column and answer the ids
of each row's words as an Arrow column; the answers are compared. Rounds are interleaved, processor time is measured in one thread, and the
least of all rounds counts: trust the ratios. Each section gives rows and bars. What
Spark adds is measured by `matching_spark.py`.

    python benchmarks/matching.py [--quick] [--json FILE]
"""

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table
from support.report import Bar, keep, parser_of, tell

if TYPE_CHECKING:
    import pyarrow as pa
    from support.word_data import Language, Regime

ROWS = {"CN": 100_000, "EN": 200_000}
QUICK_ROWS = {"CN": 30_000, "EN": 60_000}
COUNTS = (1_000, 10_000, 100_000)
BAR_COUNT = 10_000
ROUNDS, QUICK_ROUNDS = 6, 5
SLOW_SECONDS, QUICK_SLOW_SECONDS = 2.0, 0.1
"""An engine that needs more for a round, and so is no rival to the others, runs twice only, or once."""

ALTERNATION_ROWS, ALTERNATION_COUNT = 200, 1_000
"""More rows or words take pandas minutes."""

DFA_COUNT = 10_000
"""A DFA of more words takes gigabytes."""

HYPERSCAN_COUNT = 10_000
HYPERSCAN_COUNT_FULL = 100_000
"""Compiling 100,000 literals takes hyperscan some seconds."""

NOT_SLOWER = 1.0
"""The bar as it stands, though two measurements of one engine differ by a twentieth, and where the scanner uses hyperscan inside it is
hyperscan that is measured twice: a cell that misses by so little is told all the same."""

OURS, RIVAL = "srp", "matcher_py"


class Cell(NamedTuple):
    """What is measured together: engines by name, each from texts to ids."""

    name: str
    texts: "pa.StringArray"
    engines: dict[str, Callable[[], Callable[["pa.StringArray"], "pa.ListArray"]]]
    compares: bool


class Measured(NamedTuple):
    """The figures of a cell by engine: MB of text a second, seconds to build, hits."""

    speed: dict[str, float]
    build: dict[str, float]
    hits: dict[str, int]


class Run(NamedTuple):
    """The size of a run."""

    quick: bool
    console: Console

    @property
    def rows(self) -> dict[str, int]:
        """Rows by language."""
        return QUICK_ROWS if self.quick else ROWS

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of words."""
        return COUNTS[:2] if self.quick else COUNTS

    @property
    def rounds(self) -> int:
        """How often each engine runs."""
        return QUICK_ROUNDS if self.quick else ROUNDS

    @property
    def slow_seconds(self) -> float:
        """What a round may take that is run again and again."""
        return QUICK_SLOW_SECONDS if self.quick else SLOW_SECONDS


def main() -> None:
    """Prints tables; with --json also writes the machine, the bars and all rows."""
    arguments = parser_of(__doc__, quick="1,000 and 10,000 words and fewer rows, within a minute").parse_args()
    # One thread each: engines are compared, not thread pools.
    os.environ |= {"RAYON_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    run = Run(arguments.quick, Console())
    rows: list[dict[str, Any]] = []
    bars: list[Bar] = []
    for section in (plain_words, full_rules, three_transforms, memory):
        for found_rows, found_bars in section(run):
            rows += found_rows
            bars += found_bars
    tell(bars, run.console)
    keep(arguments.json, rows, bars)


Part = tuple[list[dict[str, Any]], list[Bar]]
"""Rows and bars of a part of a section."""


def plain_words(run: Run) -> Iterator[Part]:
    """Plain words against all engines."""
    from support import word_data, word_engines

    for language in ("CN", "EN"):
        texts = word_data.texts(language, run.rows[language])
        for regime in ("sparse", "dense"):
            for count in run.counts:
                words = word_data.words(language, regime, count)
                name = f"{language} {regime} {count:,}"
                engines = {
                    OURS: lambda words=words: word_engines.ours(words),
                    RIVAL: lambda words=words: word_engines.matcher(words),
                    "matcher_py, filtered": lambda words=words: word_engines.matcher_filtered(words),
                    "pyahocorasick": lambda words=words: word_engines.pyahocorasick(words),
                    "ahocorasick_rs": lambda words=words: word_engines.ahocorasick_rs_buffer(words),
                    "daachorse": lambda words=words: word_engines.daachorse_buffer(words),
                    "polars": lambda words=words: word_engines.polars(words),
                }
                if count <= DFA_COUNT:
                    engines["ahocorasick_rs, DFA"] = lambda words=words: word_engines.ahocorasick_rs_dfa(words)
                if count <= (HYPERSCAN_COUNT if run.quick else HYPERSCAN_COUNT_FULL):
                    engines["hyperscan"] = lambda words=words: word_engines.hyperscan_buffer(words)
                measured = measure(run, Cell(f"plain words, {name}", texts, engines, compares=True))
                others = {engine: speed for engine, speed in measured.speed.items() if engine != OURS}
                best = max(others, key=others.__getitem__)
                bars = [
                    Bar(
                        f"plain words, {name}: srp against the fastest other ({best})",
                        measured.speed[OURS] / others[best],
                        NOT_SLOWER,
                        ">=",
                    )
                ]
                if count == BAR_COUNT:
                    bars.append(Bar(f"plain words, {name}: srp against matcher_py", measured.speed[OURS] / others[RIVAL], 3.0, ">="))
                rows = as_rows("plain words", name, measured)
                if count == ALTERNATION_COUNT:
                    rows.append(alternation(run, name, texts, words))
                yield rows, bars


def alternation(run: Run, name: str, texts: "pa.StringArray", words: Sequence[str]) -> dict[str, Any]:
    """Pandas with one alternation of all words: it says whether a row hits, not by which words, and so is in no comparison."""
    import pyarrow as pa

    from support import word_engines

    few = pa.array(texts.to_pylist()[:ALTERNATION_ROWS])
    scan = word_engines.pandas_alternation(words)
    began = time.process_time()
    scan(few)
    speed = few.buffers()[2].size / 1e6 / (time.process_time() - began)
    run.console.print(f"  pandas alternation (whether, not which): {speed:.2f} MB/s", highlight=False)
    return {"section": "plain words", "cell": name, "engine": "pandas alternation (whether, not which)", "mb_per_second": speed}


def full_rules(run: Run) -> Iterator[Part]:
    """Words with all operators against matcher_py, which has the same but for escapes."""
    from support import word_data, word_engines

    for language in ("CN", "EN"):
        texts = word_data.texts(language, run.rows[language])
        for count in run.counts:
            words = word_data.logical_words(language, count)
            name = f"{language} {count:,}"
            engines = {
                OURS: lambda words=words: word_engines.ours(words),
                RIVAL: lambda words=words: word_engines.matcher(words),
                "matcher_py, filtered": lambda words=words: word_engines.matcher_filtered(words),
            }
            measured = measure(run, Cell(f"full rules, {name}", texts, engines, compares=True))
            ratio = measured.speed[OURS] / measured.speed[RIVAL]
            bars = [Bar(f"full rules, {name}: srp against matcher_py", ratio, 2.5, ">=")] if count == BAR_COUNT else []
            yield as_rows("full rules", name, measured), bars


def three_transforms(run: Run) -> Iterator[Part]:
    """Sparse words under simplify, delete and normalize against matcher_py, whose answers differ where `overrides.py` says so."""
    from matcher_py import ProcessType

    from srp_assets.wordlists.transforms import fold_of
    from support import word_data, word_engines

    transforms = ("simplify", "delete", "normalize")
    fold = fold_of(transforms, case_sensitive=False)
    for language, goal in (("CN", 4.0), ("EN", 2.0)):
        texts = word_data.texts(language, run.rows[language])
        words = [word for word in word_data.words(language, "sparse", BAR_COUNT) if fold(word)]
        name = f"{language} sparse {BAR_COUNT:,}"
        process = ProcessType.VARIANT_NORM_DELETE_NORMALIZE
        engines = {
            OURS: lambda words=words: word_engines.ours(words, transforms, case_sensitive=False),
            RIVAL: lambda words=words, process=process: word_engines.matcher(words, process),
            "matcher_py, filtered": lambda words=words, process=process: word_engines.matcher_filtered(words, process),
        }
        measured = measure(run, Cell(f"three transforms, {name}", texts, engines, compares=False))
        bars = [Bar(f"three transforms, {name}: srp against matcher_py", measured.speed[OURS] / measured.speed[RIVAL], goal, ">=")]
        yield as_rows("three transforms", name, measured), bars


def measure(run: Run, cell: Cell) -> Measured:
    """Builds the engines of a cell and lets them scan in turns.

    Raises:
        SystemExit: if two engines found different words.
    """
    import pyarrow.compute as pc

    scans, build, hits, least = {}, {}, {}, {}
    for name, make in cell.engines.items():
        gc.collect()
        began = time.process_time()
        scans[name] = make()
        build[name] = time.process_time() - began
        began = time.process_time()
        found = scans[name](cell.texts)
        least[name] = time.process_time() - began
        hits[name] = pc.sum(pc.list_value_length(found)).as_py() or 0
    if cell.compares and len(set(hits.values())) > 1:
        sys.exit(f"{cell.name}: engines disagree: {hits}")
    for number in range(1, run.rounds):
        for name, scan in scans.items():
            if least[name] < run.slow_seconds or (number == 1 and not run.quick):
                began = time.process_time()
                scan(cell.texts)
                least[name] = min(least[name], time.process_time() - began)
    megabytes = cell.texts.buffers()[2].size / 1e6
    measured = Measured({name: megabytes / seconds for name, seconds in least.items()}, build, hits)
    table = Table("engine", "MB/s", "srp is .. times as fast", "build s", title=f"{cell.name}: {hits[OURS]:,} hits in {megabytes:.1f} MB")
    for name, speed in sorted(measured.speed.items(), key=lambda one: -one[1]):
        table.add_row(name, f"{speed:.1f}", f"{measured.speed[OURS] / speed:.2f}", f"{build[name]:.2f}")
    run.console.print(table)
    return measured


def as_rows(section: str, name: str, measured: Measured) -> list[dict[str, Any]]:
    """One row for each engine of a cell."""
    return [
        {
            "section": section,
            "cell": name,
            "engine": engine,
            "mb_per_second": speed,
            "build_seconds": measured.build[engine],
            "hits": measured.hits[engine],
        }
        for engine, speed in measured.speed.items()
    ]


MEMORY_ENGINES = {
    OURS: "ours",
    RIVAL: "matcher",
    "pyahocorasick": "pyahocorasick",
    "ahocorasick_rs": "ahocorasick_rs_buffer",
    "daachorse": "daachorse_buffer",
    "hyperscan": "hyperscan_buffer",
}
"""Engines that keep something, and the functions that build them; the first two are all that a quick run has time for."""


def memory(run: Run) -> Iterator[Part]:
    """What building costs, each engine in a fresh process; and the flat form of the scanner."""
    table = Table("words", "engine", "resident MB", "wall s", title="building, sparse words")
    rows = []
    for language in ("CN",) if run.quick else ("CN", "EN"):
        count = run.counts[-1]
        for name, function in list(MEMORY_ENGINES.items())[: 2 if run.quick else None]:
            # A fork would share what was built before; a thread pool may not survive one either.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                megabytes, seconds = pool.apply(built_alone, (function, language, "sparse", count))
            rows.append(
                {
                    "section": "memory",
                    "cell": f"{language} sparse {count:,}",
                    "engine": name,
                    "resident_megabytes": megabytes,
                    "seconds": seconds,
                }
            )
            table.add_row(f"{language} {count:,}", name, f"{megabytes:.0f}", f"{seconds:.2f}")
    run.console.print(table)
    yield rows, []


def built_alone(function: str, language: "Language", regime: "Regime", count: int) -> tuple[float, float]:
    """Builds one engine in this process: the growth of resident memory in megabytes, and the seconds."""
    import psutil

    from support import word_data, word_engines

    words = word_data.words(language, regime, count)
    build = getattr(word_engines, function)
    build(words[:10])  # libraries and compiled kernels are loaded
    gc.collect()
    before, began = psutil.Process().memory_info().rss, time.perf_counter()
    kept = build(words)
    seconds = time.perf_counter() - began
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    del kept
    return grown / 1e6, seconds


if __name__ == "__main__":
    main()
