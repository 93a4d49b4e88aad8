"""What analysts do after a task, as people see it: statistics, a report, a strategy over time, and what Dagster shows."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.dagster_home import prepare_dagster_home
from srp_assets.cli import run
from srp_assets.cli_common import ERROR, OK, USAGE
from srp_assets.definitions import build_definitions
from srp_assets.insights.assets import REPORTS, STATISTICS
from srp_assets.insights.report.self_contained import problems_of
from srp_assets.settings import Settings
from support.command_line import srp

pytestmark = pytest.mark.publishes_views

DOCUMENTS = """
kind: word_list
id: sharks
owner: editors
words: [shark, "fin&soup"]
exempt: ["shark week"]
---
kind: strategy
id: sharks
owner: editors
products: [aurora]
objects: {post: {feature: title, match: matches, value: {word_list: sharks}}}
recall: post
---
kind: strategy
id: seen
owner: editors
products: [aurora]
objects: {post: {feature: view_count, match: ">=", value: 100}}
recall: post
"""


def post(post_id: int, title: str, views: int | None = None, month: str = "2024-01", updated: str = "2024-03-01") -> dict[str, Any]:
    at = f"{month}-05T00:00:00Z"
    return {
        "post_id": post_id, "user_id": 1, "title": title, "view_count": views, "device": "phone", "created_at": at,
        "updated_at": f"{updated}T00:00:00Z",
    }  # fmt: skip


def ingest(folder: Path, *rows: dict[str, Any]) -> None:
    path = folder / "post.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    srp("ingest", "jsonl", path, "--product", "aurora", "--entity", "post")


def counted(lines: list[dict[str, Any]]) -> dict[tuple[str, ...], int]:
    return {tuple(line["name"]): line["cases"] for line in lines}


def test_what_analysts_do_after_a_task(settings_with_spark: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = tmp_path / "documents.yaml"
    documents.write_text(DOCUMENTS, encoding="utf-8")
    srp("apply", documents)
    ingest(
        tmp_path,
        post(1, "a shark", 50),
        post(2, "fin soup, shark fin soup", 100, "2024-02"),
        post(3, "shark week tonight", 5_000),
        post(4, "a <script>alert(1)</script> shark"),
        post(5, "something else", 700),
    )
    sharks, seen = (srp("submit", strategy)["task_id"] for strategy in ("sharks", "seen"))
    waiting = srp("statistics", sharks, code=ERROR)["error"]
    assert (waiting["code"], waiting["remedy"]) == ("conflict", "run `srp recall --now`")
    srp("recall", "--now")

    found = srp("statistics", sharks)
    assert (found["cases"], found["hits"], found["withdrawn"]) == (3, 4, 0)
    assert counted(found["words"]) == {("sharks", "shark"): 3, ("sharks", "fin&soup"): 1}
    assert counted(found["periods"]) == {("2024-01",): 2, ("2024-02",): 1}
    metrics = {metric["column"]: metric for metric in found["metrics"]}
    assert {bucket["label"]: bucket["cases"] for bucket in metrics["view_count"]["buckets"] if bucket["cases"]} == {
        "below 100": 1,
        "100 to 999": 1,
    }
    assert metrics["view_count"]["missing"] == 1
    devices = next(values for values in found["values"] if values["column"] == "device")
    assert counted(devices["lines"]) == {("phone",): 3}
    assert [(other["task_id"], other["shared"], other["cases"]) for other in found["shared"]] == [(seen, 1, 3)]
    (silenced,) = found["silenced"]
    assert (silenced["cases"], silenced["hit"], silenced["share"]) == (1, 3, 0.25)
    assert silenced["exemptions"] == [["shark week", 1]]
    assert [case["id"] for case in silenced["samples"]] == ["3"]
    assert found["word_pairs"] == [{"first": ["sharks", "fin&soup"], "second": ["sharks", "shark"], "cases": 1}]

    page = tmp_path / "report.html"
    assert srp("report", sharks, "--output", page)["file"] == str(page)
    html = page.read_text(encoding="utf-8")
    assert problems_of(html) == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>shark</mark>" in html
    assert "<mark>shark week</mark> tonight" in html
    expect_shown_in_dagster(settings_with_spark, sharks)

    srp("marks", "set", sharks, "aurora/post/1", "right")
    again = Path(materialized_again(settings_with_spark, sharks)).read_text(encoding="utf-8")
    assert problems_of(again) == []
    assert again.count("marked right") == 1

    over_time = srp("statistics", "--strategy", "seen")
    assert [(run["task_id"], run["cases"], run["new"]) for run in over_time["runs"]] == [(seen, 3, 3)]
    assert over_time["shared"] == [{"strategy": "sharks", "cases": 1}]

    capsys.readouterr()
    assert run(["statistics", sharks]) == OK
    shown = capsys.readouterr().out
    assert "sharks (version 1), 3 cases, 4 hits" in shown
    assert "what exemptions silence" in shown
    assert run(["statistics", "--strategy", "seen"]) == OK
    assert "seen: 1 task; 3 different cases" in capsys.readouterr().out
    assert srp("statistics", "--strategy", "sean", code=ERROR)["error"]["remedy"] == "did you mean 'seen'?"
    assert srp("statistics", code=USAGE)["error"]["code"] == "usage"


def materialized_again(home: Settings, task_id: str) -> str:
    """Where the report of a task is after the reports of its batch were materialized once more, as a person does in the UI."""
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(home))) as instance:
        before = instance.get_latest_materialization_event(REPORTS)
        assert before is not None
        assert before.asset_materialization is not None
        job = build_definitions(settings=home).get_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, asset_selection=[REPORTS], partition_key=before.asset_materialization.partition)
        (written,) = result.asset_materializations_for_node(REPORTS.to_python_identifier())
    return str(written.metadata[task_id].value)


def expect_shown_in_dagster(home: Settings, task_id: str) -> None:
    """The UI has the counts, the charts as images, and where the reports are."""
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(home))) as instance:
        statistics, reports = (instance.get_latest_materialization_event(key) for key in (STATISTICS, REPORTS))
    assert statistics is not None
    assert statistics.asset_materialization is not None
    shown = statistics.asset_materialization.metadata
    assert shown["cases"].value == 6
    assert shown["cases by task"].value.startswith("![Cases by task](data:image/svg+xml;base64,")
    assert {record.data["task"]: record.data["silenced"] for record in shown["tasks"].records}[task_id] == 1
    assert reports is not None
    assert reports.asset_materialization is not None
    assert Path(reports.asset_materialization.metadata[task_id].value).read_text(encoding="utf-8").startswith("<!doctype html>")
