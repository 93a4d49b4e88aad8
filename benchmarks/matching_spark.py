"""How fast words are found in Spark: a whole recall scan against what it could cost at best, and against what people write by hand.

The texts are short: two lines of a novel each (`support/word_data.py`), written as builds of comments; nothing of that is timed. A recall
scan is a merged batch of one task, from its plan to the written cases. A first round warms all processes and does not count; of the
others, in turns, the least does.

    python benchmarks/matching_spark.py [--quick] [--json FILE]

- *bare*: as many processes as Spark has workers read the column with pyarrow and scan it, and do nothing else.
- *rlike*, *pandas UDF on pyahocorasick*: a filter in Spark over the same files. They answer which rows hit, not by which words. They
  would take minutes and hours: each gets two samples of rows, and the difference of its seconds is extrapolated.
- *kept hits*: the same recall scan where the list is standing and its hits were kept with the builds.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

if TYPE_CHECKING:
    from support.spark_texts import SparkTexts
    from support.word_data import Language

ROWS: "dict[Language, int]" = {"EN": 10_000_000, "CN": 5_000_000}
QUICK_ROWS: "dict[Language, int]" = {"EN": 200_000}
LEAST_ROWS = 5_000_000
"""With fewer, what any batch costs (plan, Spark jobs, cases, ledger: a second or two) is more than its scan, and says nothing of it."""

ROUNDS, QUICK_ROUNDS = 3, 1

WORDS = 10_000
FEW_HITS_WORDS = 1_000
"""Of so many sparse words a text in 2,000 holds one: a recall scan that is nearly all scan."""

RLIKE_ROWS, QUICK_RLIKE_ROWS = (100, 2_000), (50, 500)
UDF_FILES, QUICK_UDF_FILES = (2, 8), (1, 3)
UDF_GOALS: "dict[Language, float]" = {"CN": 10.0, "EN": 3.0}


def main() -> None:
    """Prints a table for each language; with --json also writes the machine, the bars and all rows."""
    arguments = parser_of(__doc__, quick="English alone, far fewer rows, and no bars that need many, within a minute").parse_args()
    end_in_order_when_stopped()
    console = Console()
    from support.spark_texts import opened, texts_of

    rows: list[dict[str, Any]] = []
    bars: list[Bar] = []
    with opened() as platform:
        for language, count in (QUICK_ROWS if arguments.quick else ROWS).items():
            with texts_of(platform, language, count) as texts:
                found_rows, found_bars = measured(language, texts, quick=arguments.quick, console=console)
            rows += found_rows
            bars += found_bars
    tell(bars, console)
    keep(arguments.json, rows, bars)


def measured(language: "Language", texts: "SparkTexts", *, quick: bool, console: Console) -> tuple[list[dict[str, Any]], list[Bar]]:
    """The rows and bars of one language."""
    from support.word_data import words

    rounds = QUICK_ROUNDS if quick else ROUNDS
    few, many = words(language, "sparse", FEW_HITS_WORDS), words(language, "sparse", WORDS)
    cases: dict[str, int] = {}

    def recall(name: str, word_list: tuple[str, ...]) -> None:
        cases[name] = texts.recall(word_list)

    few_scan, many_scan, kept = "recall scan, few hits", "recall scan", "recall scan by kept hits, few hits"
    few_bare, many_bare, udf, rlike = "bare, few hits", "bare", "pandas UDF on pyahocorasick (extrapolated)", "rlike (extrapolated)"
    seconds = in_turns(
        {
            few_scan: lambda: recall(few_scan, few),
            few_bare: lambda: texts.bare(few),
            many_scan: lambda: recall(many_scan, many),
            many_bare: lambda: texts.bare(many),
        },
        rounds,
    )
    samples = QUICK_UDF_FILES if quick else UDF_FILES
    texts.by_pandas_udf(many, 1)
    seconds[udf] = extrapolated(texts, lambda files: texts.by_pandas_udf(many, files), samples)
    texts.by_rlike(many, 1)
    samples = QUICK_RLIKE_ROWS if quick else RLIKE_ROWS
    seconds[rlike] = extrapolated(texts, lambda rows: texts.by_rlike(many, rows), samples)
    texts.keep_hits(few)
    seconds |= in_turns({kept: lambda: recall(kept, few)}, rounds)
    if cases[kept] != cases[few_scan]:
        raise RuntimeError(f"kept hits give {cases[kept]} cases, a scan gives {cases[few_scan]}")
    megabytes, rows = texts.bytes / 1e6, texts.rows
    table = Table("way", "seconds", "MB/s", "cases", title=f"{language}: {rows:,} rows, {megabytes:,.0f} MB of text")
    for name, took in seconds.items():
        table.add_row(name, f"{took:,.2f}", f"{megabytes / took:,.1f}", f"{cases[name]:,}" if name in cases else "")
    console.print(table)
    found = [
        {"language": language, "rows": rows, "megabytes": megabytes, "way": name, "seconds": took, "cases": cases.get(name)}
        for name, took in seconds.items()
    ]
    against_bare = f"{language}: whole recall scan against reading and the bare scanner"
    against_ours = f"against our whole scan, {len(many):,} words"
    bars = [
        Bar(f"{language}: rlike {against_ours}", seconds[rlike] / seconds[many_scan], 100.0, ">="),
        Bar(f"{language}: recall scan that looks for the words against one by kept hits", seconds[few_scan] / seconds[kept], 1.0, ">="),
    ]
    if rows >= LEAST_ROWS:
        bars += [
            Bar(f"{against_bare}, {len(few):,} words", seconds[few_scan] / seconds[few_bare], 1.5, "<="),
            Bar(f"{against_bare}, {len(many):,} words", seconds[many_scan] / seconds[many_bare], 1.5, "<="),
            Bar(f"{language}: pandas UDF {against_ours}", seconds[udf] / seconds[many_scan], UDF_GOALS[language], ">="),
        ]
    return found, bars


def in_turns(ways: "dict[str, Callable[[], object]]", rounds: int) -> dict[str, float]:
    """The least seconds of each way."""
    least: dict[str, float] = {}
    for number in range(1 + rounds):
        for name, run in ways.items():
            began = time.monotonic()
            run()
            if number:  # the first time, processes start and words are compiled
                least[name] = min(least.get(name, float("inf")), time.monotonic() - began)
    return least


def extrapolated(texts: "SparkTexts", run: Callable[[int], int], samples: tuple[int, int]) -> float:
    """What a way would take for all rows, from its seconds for two samples; `run` answers how many rows it looked at."""
    took, rows = [], []
    for sample in samples:
        began = time.monotonic()
        rows.append(run(sample))
        took.append(time.monotonic() - began)
    return (took[1] - took[0]) / (rows[1] - rows[0]) * texts.rows


if __name__ == "__main__":
    main()
