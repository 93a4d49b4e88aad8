"""The command `srp` as a test calls it: in this process, answering in JSON."""

import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from srp_assets.cli import run

OK, INCOMPLETE = 0, 3


def srp(*arguments: object, code: int = OK) -> Any:
    """Runs a command with `--json` and returns its answer; it must end with this exit code."""
    output = StringIO()
    with redirect_stdout(output):
        ended = run([*map(str, arguments), "--json"])
    answer = json.loads(output.getvalue())
    assert ended == code, f"srp {' '.join(map(str, arguments))} ended with {ended}: {answer}"
    return answer


def recalled(strategies: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Submits strategies, recalls them in one go, and returns the cases of each; every task must be done and complete."""
    tasks = {strategy: srp("submit", strategy)["task_id"] for strategy in strategies}
    srp("recall", "--now")
    found = {}
    for strategy, task_id in tasks.items():
        task = srp("tasks", task_id)
        assert (task["state"], task["complete"], task["error"]) == ("done", True, None), strategy
        answer = srp("cases", task_id)
        assert answer["total"] == task["cases"] == len(answer["cases"])
        found[strategy] = answer["cases"]
    return found


def ids_of(cases: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The ids of cases by product; no case may come twice."""
    found: dict[str, set[str]] = {}
    for case in cases:
        ids = found.setdefault(case["product"], set())
        assert case["id"] not in ids
        ids.add(case["id"])
    return found
