"""Evaluation: all metrics of scored impressions with resamples of users, and the replay of a policy from a log.

    python benchmarks/evaluation.py [--quick] [--only SECTION] [--json FILE]

- `metrics`: every metric of one model on 10 million impressions of 500,000 users, each with 1,000 resamples of users; beside it
  scikit-learn's AUC of such resamples in a loop, a few of which are measured and the rest extrapolated.
- `slices`: the same by market, page, known and new users and items, position and day.
- `replay`: the value of another policy from 10 million logged choices on pages of ten, by all estimators with 1,000 resamples of requests.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from srp_assets.evaluation.bootstrap.resamples import multiplicities
from srp_assets.evaluation.metrics.measuring import MetricOptions, measure
from srp_assets.evaluation.metrics.scored import ScoredRows
from srp_assets.evaluation.metrics.slices import Dimension, measured_parts
from srp_assets.evaluation.replay.logged import LoggedChoices, logged_choices
from srp_assets.evaluation.replay.replaying import ReplayOptions, replay

ROWS, QUICK_ROWS = 10_000_000, 300_000
RESAMPLES, QUICK_RESAMPLES = 1_000, 128
PLACES, ROWS_OF_A_USER = 10, 20
SKLEARN_RESAMPLES = 3
CLICKS = (1.0, 19.0)
"""Parameters of the beta distribution of the probability of a click: one of twenty impressions is clicked."""

PARTS = {"market": 4, "page": 2, "user": 2, "item": 2, "position": PLACES, "day": 7}
SECTIONS = ("metrics", "slices", "replay")


@dataclass
class Bench:
    """What the sections share: their size, and what they found."""

    size: int
    resamples: int
    rows: list[dict[str, Any]]
    bars: list[Bar]

    def timed(self, section: str, what: str, run: Callable[[], Any], *, times: float = 1.0) -> float:
        """Seconds that something takes, kept with the memory of the process; `times` if only a part of it is run."""
        begin = time.perf_counter()
        run()
        seconds = (time.perf_counter() - begin) * times
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.rows.append({"section": section, "what": what, "rows": self.size, "seconds": seconds, "peak_bytes": peak})
        return seconds


def scored(size: int) -> ScoredRows:
    """Impressions of users, clicked as often as their scores say."""
    random = np.random.default_rng(1)
    request = (np.arange(size) // PLACES).astype(np.int32)
    users = size // ROWS_OF_A_USER
    unit = random.integers(0, users, size // PLACES).astype(np.int32)[request]
    score = random.beta(*CLICKS, size)
    label = random.random(size) < score
    amount = np.where(label, random.exponential(20, size), 0.0)
    keys = random.integers(0, 2**63, users).astype(np.uint64)
    return ScoredRows(np.arange(size), unit, keys, request, score, label, np.ones(size), amount, 0.1 * amount)


def choices(size: int) -> LoggedChoices:
    """Pages that a policy filled from pools of four, and how another one would have chosen."""
    random = np.random.default_rng(2)
    pool = random.random((size, 4)) + 0.1
    logging = pool / pool.sum(axis=1, keepdims=True)
    other = pool**2
    target = other / other.sum(axis=1, keepdims=True)
    chosen = np.minimum((np.cumsum(logging, axis=1) < random.random(size)[:, None]).sum(axis=1), 3)
    rows = np.arange(size)
    expected = 0.1 * pool
    return logged_choices(
        request=(rows // PLACES).astype(np.int32),
        request_key=np.arange(size // PLACES, dtype=np.uint64),
        position=rows % PLACES + 1,
        reward=(random.random(size) < expected[rows, chosen]).astype(float),
        propensity=logging[rows, chosen],
        target=target[rows, chosen],
        predicted=expected[rows, chosen],
        predicted_under_target=(expected * target).sum(axis=1),
    )


def run_metrics(bench: Bench) -> None:
    """All metrics, and scikit-learn's AUC."""
    rows = scored(bench.size)
    options = MetricOptions(resamples=bench.resamples)
    measure(scored(1_000), options)  # compiles
    seconds = bench.timed("metrics", f"all metrics, {bench.resamples:,} resamples of users", lambda: measure(rows, options))
    drawn = multiplicities(rows.unit_key, options.seed, SKLEARN_RESAMPLES)

    def loop() -> None:
        for weight in drawn:
            roc_auc_score(rows.label, rows.score, sample_weight=weight[rows.unit])

    times = bench.resamples / SKLEARN_RESAMPLES
    loop_seconds = bench.timed(
        "metrics", f"scikit-learn's AUC alone, {bench.resamples:,} resamples in a loop (extrapolated)", loop, times=times
    )
    if bench.size == ROWS:
        bench.bars.append(Bar("all metrics with 1,000 resamples on 10 million rows, seconds", seconds, 180))
    bench.bars.append(Bar("scikit-learn's AUC in a loop against all metrics, times", loop_seconds / seconds, 1, ">="))


def run_slices(bench: Bench) -> None:
    """All metrics by every part."""
    rows = scored(bench.size)
    random = np.random.default_rng(3)
    options = MetricOptions(resamples=bench.resamples)
    for name, parts in PARTS.items():
        of_row = rows.place % PLACES if name == "position" else random.integers(0, parts, rows.requests)[rows.request]
        dimension = Dimension(of_row.astype(np.int32), tuple(map(str, range(parts))))
        bench.timed("slices", f"by {name}, {parts} parts", lambda divided=dimension: list(measured_parts(rows, divided, options)))


def run_replay(bench: Bench) -> None:
    """All estimators."""
    logged = choices(bench.size)
    replay(choices(1_000), ReplayOptions(resamples=bench.resamples))  # compiles
    what = f"four estimators, {bench.resamples:,} resamples of requests"
    seconds = bench.timed("replay", what, lambda: replay(logged, ReplayOptions(resamples=bench.resamples)))
    if bench.size == ROWS:
        bench.bars.append(Bar("replay of 10 million choices, seconds", seconds, 60))


RUNS = {"metrics": run_metrics, "slices": run_slices, "replay": run_replay}


def main() -> None:
    """Prints the seconds of each step; with --json also writes the machine, the bars and the rows."""
    parser = parser_of(__doc__, quick=f"{QUICK_ROWS:,} rows and fewer resamples, within a minute")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a section to run; all without it")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    quick = arguments.quick
    bench = Bench(QUICK_ROWS if quick else ROWS, QUICK_RESAMPLES if quick else RESAMPLES, [], [])
    for section in arguments.only or SECTIONS:
        RUNS[section](bench)
    console = Console()
    table = Table("section", "what", "rows", "seconds", "peak memory, GB")
    for row in bench.rows:
        table.add_row(row["section"], row["what"], f"{row['rows']:,}", f"{row['seconds']:.1f}", f"{row['peak_bytes'] / 1e9:.1f}")
    console.print(table)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


if __name__ == "__main__":
    main()
