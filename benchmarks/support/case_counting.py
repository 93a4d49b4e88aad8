"""A batch of cases as recall leaves it, generated for `statistics.py`, and the time that counting it takes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.warehouse.storage import Storage

TASKS = 100
GROUPS = 4
WORDS = 100
AT_ONCE = 50_000
"""Cases that are generated at once: those of one task in a full run."""

FOLDER = "cases/bench/attempt-1/cases"
TEXT = "this is what somebody wrote one day about something that is neither long nor short "


def measured(cases: int) -> tuple[list[dict[str, Any]], float]:
    """The seconds of each step, and of all."""
    from support.recall_platform import Platform

    from resources import spark_server
    from resources.spark import close_sessions
    from srp_assets.insights.statistics.case_files import CaseSource
    from srp_assets.insights.statistics.overlaps import KeyedTask, overlaps
    from srp_assets.insights.statistics.plan_statistics import count_cases, write_keys
    from srp_assets.samples.demo import CATALOGUE
    from srp_assets.settings import Settings

    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), catalogue=CATALOGUE)
        platform = Platform.open(settings)
        try:
            tasks = [f"t-{number:08d}" for number in range(TASKS)]
            write_cases(platform.storage, tasks, cases)
            sources = [CaseSource(FOLDER, tuple(tasks))]
            keyed = [KeyedTask(task_id, "post") for task_id in tasks]
            started = time.monotonic()
            tallies = count_cases(platform.spark, platform.storage, platform.catalogue, sources, "work/count")
            counted = time.monotonic()
            shared = overlaps(write_keys(platform.spark, platform.storage, sources, keyed, "work/keys"), keyed)
            ended = time.monotonic()
            expect(tallies, len(shared), cases)
        finally:
            platform.engine.dispose()
            close_sessions()
            spark_server.stop(settings)
    rows = [
        {"step": "count by everything", "seconds": counted - started, "cases": cases},
        {"step": "what tasks share", "seconds": ended - counted, "cases": cases},
        {"step": "all", "seconds": ended - started, "cases": cases},
    ]
    return rows, ended - started


def expect(tallies: pa.Table, pairs: int, cases: int) -> None:
    """The counts are those of what was generated."""
    found = tallies.group_by("statistic").aggregate([("cases", "sum")]).to_pylist()
    sums = {row["statistic"]: row["cases_sum"] for row in found}
    if not sums["all"] == sums["product"] == sums["period"] == cases or pairs != TASKS * (TASKS - 1) // 2:
        raise RuntimeError(f"the counts are wrong: {sums}, {pairs} pairs of tasks")


def write_cases(storage: Storage, tasks: list[str], cases: int) -> None:
    """Files as recall leaves them: a folder for each group of tasks, the cases of a task one after the other."""
    from srp_assets.recall.cases import CASE_SCHEMA

    chance = np.random.default_rng(7)
    of_task = cases // len(tasks)
    for group in range(GROUPS):
        with storage.parquet_writer(f"{FOLDER}/group-{group}/cases.parquet", CASE_SCHEMA) as writer:
            for task_id in tasks[group::GROUPS]:
                # Two tasks share about half of their rows.
                ids = np.sort(chance.choice(2 * of_task, of_task, replace=False))
                for start in range(0, of_task, AT_ONCE):
                    writer.write_table(pa.table(columns(chance, task_id, ids[start : start + AT_ONCE]), schema=CASE_SCHEMA))


def columns(chance: np.random.Generator, task_id: str, ids: np.ndarray) -> dict[str, pa.Array]:
    """Cases of one task."""
    rows = len(ids)
    keys = pa.array([f"{number:020d}" for number in ids.tolist()])
    plain = pa.array([str(number) for number in ids.tolist()])
    facts = pa.array(list(facts_of(chance, rows)))
    return {
        "task_id": pa.repeat(pa.scalar(task_id), rows),
        "product": pa.repeat(pa.scalar("aurora"), rows),
        "object": pa.repeat(pa.scalar("post"), rows),
        "id": plain,
        "key_order": keys,
        "root": plain,
        "hits": hits_of(chance, rows),
        "texts": texts_of(rows),
        "extra": facts,
        "joined": pa.array(
            [[]] * rows, pa.list_(pa.struct([("object", pa.string()), ("rows", pa.int64()), ("keys", pa.list_(pa.string()))]))
        ),
        "facts": facts,
    }


def facts_of(chance: np.random.Generator, rows: int) -> Iterator[str]:
    """The facts of posts."""
    views, likes = chance.integers(0, 100_000, rows).tolist(), chance.integers(0, 500, rows).tolist()
    months, cities = chance.integers(1, 7, rows).tolist(), chance.integers(0, 40, rows).tolist()
    for view, like, month, city in zip(views, likes, months, cities, strict=True):
        yield json.dumps(
            {
                "view_count": view, "like_count": like, "is_promoted": city % 2 == 0, "risk_level": ("low", "medium", None)[city % 3],
                "city": f"city {city}", "device": ("phone", "web")[city % 2], "hidden": False, "created_at": f"2024-0{month}-03T04:05:06Z",
            }
        )  # fmt: skip


def hits_of(chance: np.random.Generator, rows: int) -> pa.ListArray:
    """One to five hits a case, few words far more often than others."""
    counts = chance.integers(1, 6, rows)
    total = int(counts.sum())
    numbers = np.minimum(chance.zipf(1.5, total), WORDS) - 1
    words = pa.array([f"word {number}" for number in range(WORDS)]).take(pa.array(numbers))
    span_type = pa.list_(pa.list_(pa.int32()))
    spans = pa.array([[[0, 4]]], span_type).take(pa.array(np.zeros(total, dtype=np.int64)))
    structs = pa.StructArray.from_arrays(
        [
            pa.repeat(pa.scalar("post"), total),
            pa.array(["title", "body"]).take(pa.array(numbers % 2)),
            pa.array(["one", "two"]).take(pa.array(numbers // 50)),
            words,
            spans,
            pa.nulls(total, pa.list_(pa.string())),
            pa.nulls(total, pa.bool_()),
        ],
        names=["object", "feature", "list", "word", "spans", "parts", "crosses"],
    )
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), structs)


def texts_of(rows: int) -> pa.MapArray:
    """One text a case."""
    return pa.MapArray.from_arrays(
        pa.array(np.arange(rows + 1), pa.int32()), pa.repeat(pa.scalar("post.title"), rows), pa.repeat(pa.scalar(TEXT), rows)
    )
