"""One round of marks from end to end: a task is sampled, marked by the truth, its list improved, and the new version run. With Spark."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import Engine

from srp_assets.recall.claims import claim_window
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.samples.topics import topic_texts
from srp_assets.settings import Settings
from srp_assets.strategy.loading import load_file
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.command_line import srp
from support.world import build_all, comment, land_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TEXTS = 4_000

DOCUMENTS = """
kind: word_list
id: bets
owner: tests
topic: fraud
words: {words}
---
kind: strategy
id: betting
owner: tests
products: [aurora]
objects:
  comment:
    all: [{{feature: text, match: matches, value: {{word_list: bets}}}}, {{feature: like_count, match: ">=", value: 0}}]
recall: comment
"""

Run = Callable[[], str]


@pytest.fixture
def run(settings_with_spark: Settings, spark: "SparkSession", engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> Run:
    """Submits the strategy and runs it: the batch's own service, without Dagster."""
    workshop = Workshop(engine, storage, sample_catalogue, settings_with_spark, lambda: spark)

    def submitted() -> str:
        task_id = str(srp("submit", "betting", "--yes")["task_id"])
        with engine.begin() as connection:
            (batch_id,) = claim_window(connection, settings_with_spark, now=datetime.now(UTC), at_once=True).batches
        run_batch_now(workshop, batch_id)
        return task_id

    return submitted


def marked(path: Path, is_right: np.ndarray) -> Path:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["verdict"] = "right" if is_right[int(line["id"])] else "wrong"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_list_is_improved_by_one_round_of_marks(
    run: Run, spark: "SparkSession", engine: Engine, storage: Storage, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    planted = topic_texts("aurora", TEXTS, seed=8)
    texts = planted.texts.to_pylist()
    known = np.random.default_rng(8).choice(planted.words, len(planted.words) // 3, replace=False).tolist()
    missing = set(planted.words) - set(known)
    # Every tenth comment has no likes: another rule of the strategy keeps it out.
    rows = [comment(number, number % 50 + 1, text=text, like_count=number % 10 or None) for number, text in enumerate(texts)]
    land_rows(engine, storage, sample_catalogue, {"comment": rows})
    build_all(spark, engine, storage, sample_catalogue)
    seen = [number for number in range(TEXTS) if number % 10]
    documents = tmp_path / "documents.yaml"
    documents.write_text(DOCUMENTS.format(words=json.dumps(known)), encoding="utf-8")
    srp("apply", documents)
    task_id = run()

    def hit(words: list[str]) -> list[int]:
        return [number for number in seen if any(word in texts[number] for word in words)]

    first = hit(known)
    assert {int(case["id"]) for case in srp("cases", task_id)["cases"]} == set(first)
    sheet = srp("cases", task_id, "--sample", 120, "--controls", 160, "--export", tmp_path / "sheet.jsonl")
    assert (sheet["cases"], sheet["controls"]) == (120, 160)
    population = {"case": 0, "control": 0}
    for stratum in sheet["strata"]:
        population[stratum["frame"]] += stratum["population"]
    assert population["case"] == len(first)
    assert population["control"] == pytest.approx(len(seen) - len(first), abs=1)
    assert srp("cases", task_id, "--sample", 120, "--controls", 160, "--export", tmp_path / "again.jsonl")["sheet_id"] == sheet["sheet_id"]
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "sheet.jsonl").read_bytes()
    srp("marks", "import", marked(tmp_path / "sheet.jsonl", planted.is_right))
    judged = srp("precision", task_id)
    task = next(row for row in judged["rows"] if row["level"] == "task")
    assert task["low"] <= planted.is_right[first].mean() <= task["high"]
    assert judged["recall"]["low"] <= planted.is_right[first].sum() / planted.is_right[seen].sum() <= judged["recall"]["high"]

    output = tmp_path / "proposed.yaml"
    (proposal,) = srp("lists", "recommend", task_id, "--output", output)["proposals"]
    added: list[dict[str, Any]] = [one for one in proposal["recommendations"] if one["action"] == "add"]
    assert len(added) <= 50
    assert len(missing & {one["term"] for one in added}) >= 0.8 * len(missing)
    for one in added:
        assert one["new_hits"] == len(set(hit([one["term"]])) - set(first))
    (written,) = load_file(output)
    assert written.content == proposal["document"]
    (applied,) = srp("apply", output)["applied"]
    assert (applied["id"], applied["version"], applied["action"]) == ("bets", 2, "changed")
    second = {int(case["id"]) for case in srp("cases", run())["cases"]}
    exempt = proposal["document"].get("exempt", [])
    assert second == {number for number in hit(proposal["document"]["words"]) if not any(word in texts[number] for word in exempt)}
