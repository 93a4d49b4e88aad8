"""Data that lands after a task is done, as people see it: a task in real time, reopened cells, a refill, withdrawn cases."""

import json
from pathlib import Path
from typing import Any

import pytest

from srp_assets.cli import run
from srp_assets.cli_common import OK
from srp_assets.settings import Settings
from support.command_line import srp

pytestmark = pytest.mark.publishes_views

STRATEGY = """
kind: strategy
id: liked
owner: editors
products: [aurora]
objects: {post: {all: [{feature: like_count, match: ">=", value: 10}]}, comment: {}}
recall: comment
"""


def ingest(folder: Path, entity: str, *rows: dict[str, Any]) -> None:
    path = folder / f"{entity}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    srp("ingest", "jsonl", path, "--product", "aurora", "--entity", entity)


def post(post_id: int, likes: int, updated: str = "2024-01-02") -> dict[str, Any]:
    return {
        "post_id": post_id,
        "user_id": 1,
        "like_count": likes,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": f"{updated}T00:00:00Z",
    }


def comment(comment_id: int, post_id: int, month: str = "2024-01") -> dict[str, Any]:
    at = f"{month}-05T00:00:00Z"
    return {"comment_id": comment_id, "post_id": post_id, "user_id": 2, "text": "so it is", "created_at": at, "updated_at": at}


def test_a_task_follows_what_lands(settings_with_spark: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = tmp_path / "strategy.yaml"
    strategy.write_text(STRATEGY, encoding="utf-8")
    srp("apply", strategy)
    ingest(tmp_path, "post", post(1, 50), post(2, 0))
    ingest(tmp_path, "comment", comment(11, 1), comment(12, 2))

    # Nothing is built yet: a task in real time answers all the same, and builds nothing for others.
    task_id = srp("submit", "liked", "--realtime", "--follow")["task_id"]
    srp("recall", "--now")
    task = srp("tasks", task_id)
    assert (task["state"], task["complete"], task["cases"], task["realtime"], task["follow"]) == ("done", True, 1, True, True)
    assert {cell["object"]: (cell["from_landing"], cell["reopened"]) for cell in task["cells"]} == {
        "post": (True, False),
        "comment": (True, False),
    }
    assert [case["id"] for case in srp("cases", task_id)["cases"]] == ["11"]
    assert srp("tasks", "refill", task_id)["refills"][0]["refilled"] is False
    assert srp("cases", task_id, "--withdrawn") == {"task_id": task_id, "total": 0, "cases": []}

    # The first post loses its likes, the second wins some, a comment lands in a month that is new. The refill builds what it needs.
    ingest(tmp_path, "post", post(1, 3, "2024-02-01"), post(2, 30, "2024-02-01"))
    ingest(tmp_path, "comment", comment(13, 2, "2024-03"))
    cells = {(cell["object"], cell["period"]): cell for cell in srp("tasks", task_id)["cells"]}
    assert {place for place, cell in cells.items() if cell["reopened"]} == {("post", "2024-01"), ("comment", "2024-03")}
    assert cells["comment", "2024-03"]["scanned"] == 0
    (done,) = srp("tasks", "refill", task_id)["refills"]
    assert (done["refilled"], done["added"], done["withdrawn"], done["cases"], done["complete"]) == (True, 2, 1, 2, True)
    task = srp("tasks", task_id)
    assert (task["cases"], task["refills"], any(cell["reopened"] for cell in task["cells"])) == (2, 1, False)
    assert [case["id"] for case in srp("cases", task_id)["cases"]] == ["12", "13"]
    (gone,) = srp("cases", task_id, "--withdrawn")["cases"]
    assert gone["id"] == "11"
    assert {(build["entity"], build["period"]) for build in gone["withdrawn_by"]} >= {("post", "2024-01")}

    assert srp("tasks", "refill", task_id)["refills"][0]["refilled"] is False
    capsys.readouterr()
    assert run(["cases", task_id, "--withdrawn"]) == OK
    shown = capsys.readouterr().out
    assert "1 withdrawn case" in shown
    assert "by post of aurora in 2024-01 (build " in shown
