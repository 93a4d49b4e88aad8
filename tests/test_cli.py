"""The command line: JSON shapes, exit codes, one-line errors, harmless texts. What needs Spark is in `end_to_end`."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from srp_assets.cli import COMMANDS, run
from srp_assets.cli_common import INCOMPLETE, Moment
from srp_assets.console import harmless, shortened
from srp_assets.recall import registry
from srp_assets.recall.batch import Cell
from srp_assets.recall.claims import claim_window
from srp_assets.recall.registry_batches import begin_attempt, finish_attempt
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.landing import LEASE
from srp_assets.warehouse.lease import Lease
from support.recall import later

Srp = Callable[..., tuple[int, str, str]]

STRATEGIES = """
kind: word_list
id: fitness
owner: editors
words: ["dumbbell"]
---
kind: strategy
id: fitness
owner: editors
products: [aurora]
objects:
  post:
    all:
      - {feature: title, match: matches, value: {word_list: fitness}}
recall: post
"""


@pytest.fixture
def srp(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Srp:
    """Runs a command on the test's home; its exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "strategies.yaml"
    path.write_text(STRATEGIES, encoding="utf-8")
    return path


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    at = "2024-02-03T04:05:06Z"
    rows: list[Any] = [{"post_id": number, "user_id": 1, "title": "a dumbbell", "created_at": at, "updated_at": at} for number in (1, 2)]
    rows.append({"post_id": 3, "user_id": "nobody", "created_at": at, "updated_at": at})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answered(result: tuple[int, str, str]) -> Any:
    """The JSON of a command's standard output, which has nothing else on it."""
    return json.loads(result[1])


def test_help_names_every_command_and_the_exit_codes(srp: Srp) -> None:
    code, out, _ = srp("--help")
    assert code == 0
    assert re.findall(r"^  (\w+)  +\S", out.split("Commands:")[1], re.MULTILINE) == list(COMMANDS)
    assert "Exit codes: 0 done; 1 an error; 2 wrong usage; 3 done, but" in out
    for command in COMMANDS:
        code, out, _ = srp(command, "--help")
        assert code == 0
        parts = re.findall(r"^  (\w+)  +\S", out.split("Commands:")[1], re.MULTILINE) if "Commands:" in out else []
        helps = [srp(command, part, "--help")[1] for part in parts] or [out]
        assert all("--json" in text for text in helps) or command == "spark"


def test_help_answers_at_once() -> None:
    program = "import time, sys; t = time.perf_counter(); from srp_assets.cli import run; run(['--help']); print(time.perf_counter() - t); "
    program += "print([m for m in ('dagster', 'pyspark', 'pyarrow', 'sqlalchemy', 'pandas') if m in sys.modules])"
    fastest, loaded = 9.0, ""
    for _ in range(3):  # the best of three: other work on the machine is not what is measured
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
        *_, seconds, loaded = done.stdout.splitlines()
        fastest = min(fastest, float(seconds))
    assert loaded == "[]"
    assert fastest < 1


def test_ingest_tells_what_became_of_the_rows(srp: Srp, posts: Path) -> None:
    first = srp("ingest", "jsonl", posts, "--product", "aurora", "--entity", "post", "--json")
    assert first[0] == INCOMPLETE
    assert answered(first) == {
        "product": "aurora",
        "landed": {"post": 2},
        "duplicates": 0,
        "pending": 0,
        "rejected": {"wrong type: user_id": 1},
    }
    again = srp("ingest", "jsonl", posts, "--product", "aurora", "--entity", "post", "--json")
    assert answered(again)["landed"] == {"post": 0}
    assert answered(again)["duplicates"] == 2
    code, out, err = srp("ingest", "jsonl", posts, "--product", "aurora", "--entity", "post")
    assert code == INCOMPLETE
    assert re.search(r"rejected: wrong type: user_id +1", out)
    assert "next: srp build" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ingest", "jsonl", "/no/such/file", "--product", "aurora"], "not_found", "there is no such file or folder"),
        (["ingest", "jsnl", "{posts}", "--product", "aurora", "--entity", "post"], "invalid", "unknown reader 'jsnl'"),
        (["ingest", "jsonl", "{posts}", "--product", "auror", "--entity", "post"], "invalid", "unknown product 'auror'"),
        (["ingest", "jsonl", "{posts}", "--product", "aurora", "--entity", "pst"], "invalid", "unknown entity 'pst'"),
        (["build", "--entity", "pst"], "invalid", "unknown entity 'pst'"),
        (["build", "--product", "auror"], "invalid", "unknown product 'auror'"),
        (["submit", "fitnes"], "not_found", "there is no strategy 'fitnes'"),
        (["submit", "fitness", "--product", "auror"], "invalid", "strategy 'fitness' does not run on product 'auror'"),
        (["submit", "fitness", "--from", "2024-02", "--to", "2024-02"], "invalid", "the range of publish times is empty"),
        (["show", "strategy", "fitnes"], "not_found", "there is no strategy 'fitnes'"),
        (["list", "strategies"], "invalid", "'strategies' is no kind of document"),
        (["tasks", "t-nothing"], "not_found", "there is no task 't-nothing'"),
        (["cases", "t-nothing"], "not_found", "there is no task 't-nothing'"),
        (["archive", "word_list", "fitness"], "conflict", "word_list fitness cannot be archived: strategy fitness refers to it"),
    ],
)
def test_errors_are_one_line_for_people_and_json_for_machines(
    srp: Srp, documents: Path, posts: Path, arguments: Sequence[str], code: str, message: str
) -> None:
    assert srp("apply", documents)[0] == 0
    given = [argument.replace("{posts}", str(posts)) for argument in arguments]
    exit_code, out, err = srp(*given)
    assert (exit_code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") - err.count("landing: ") == 1
    failed = srp(*given, "--json")
    assert failed[0] == 1
    assert failed[2] == ""
    error = answered(failed)["error"]
    assert set(error) == {"code", "message", "where", "remedy"}
    assert (error["code"], error["message"]) == (code, message)


@pytest.mark.parametrize(
    "arguments", [["submit"], ["tsks"], ["build", "--from", "yesterday"], ["recall"], ["cases", "t-x", "--limit", "-1"]]
)
def test_wrong_usage_is_told_apart(srp: Srp, arguments: Sequence[str]) -> None:
    code, out, err = srp(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    error = answered(srp(*arguments, "--json"))["error"]
    assert error["code"] == "usage"


def test_the_nearest_command_is_named(srp: Srp) -> None:
    assert "did you mean 'tasks'?" in srp("tsks")[2]


def test_settings_that_are_not_valid_are_named(srp: Srp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_SPARK_PORT", "seventy")
    code, _, err = srp("tasks")
    assert code == 1
    assert err.startswith("error: SRP_SPARK_PORT: ")


def test_a_home_that_cannot_be_written_is_one_clear_line(srp: Srp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_HOME", "/proc/nowhere")
    code, out, err = srp("tasks")
    assert (code, out) == (1, "")
    assert err.startswith("error: /proc/nowhere: the home cannot be written")
    assert err.count("\n") == 1


def test_a_home_of_another_catalogue_is_refused(srp: Srp, monkeypatch: pytest.MonkeyPatch) -> None:
    assert srp("tasks")[0] == 0
    monkeypatch.setenv("SRP_CATALOGUE", str(PROJECT_ROOT / "examples" / "shop" / "catalogue.yaml"))
    assert answered(srp("tasks", "--json"))["error"]["code"] == "conflict"


def test_documents_are_applied_listed_shown_and_archived(srp: Srp, documents: Path) -> None:
    dry = answered(srp("apply", documents, "--dry-run", "--json"))
    assert [(done["kind"], done["action"]) for done in dry["applied"]] == [("word_list", "created"), ("strategy", "created")]
    assert answered(srp("list", "strategy", "--json"))["documents"] == []
    assert srp("apply", documents)[0] == 0
    assert [done["action"] for done in answered(srp("apply", documents, "--json"))["applied"]] == ["unchanged", "unchanged"]
    (listed,) = answered(srp("list", "strategy", "--json"))["documents"]
    assert (listed["id"], listed["version"], listed["owner"]) == ("fitness", 1, "editors")
    shown = answered(srp("show", "strategy", "fitness", "--json"))
    assert shown["document"]["recall"] == "post"
    assert "recall: post" in srp("show", "strategy", "fitness")[1]
    assert srp("archive", "strategy", "fitness")[0] == 0
    assert answered(srp("list", "strategy", "--json"))["documents"] == []
    assert answered(srp("list", "strategy", "--archived", "--json"))["documents"][0]["archived_at"] is not None


def test_all_problems_of_documents_are_told(srp: Srp, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        STRATEGIES.replace("feature: title", "feature: titel").replace("products: [aurora]", "products: [auror]"), encoding="utf-8"
    )
    code, out, err = srp("apply", path)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2
    assert all(line.startswith(f"error: {path}") for line in err.splitlines())
    error = answered(srp("apply", path, "--json"))["error"]
    assert len(error["problems"]) == 2
    assert answered(srp("list", "word_list", "--json"))["documents"] == []


def test_a_task_from_its_submission_to_its_end(srp: Srp, documents: Path, engine: Engine, settings: Settings) -> None:
    srp("apply", documents)
    submitted = answered(srp("submit", "fitness", "--from", "2024-02-03", "--to", "2024-03", "--json"))
    assert set(submitted) == {"task_id"}
    task_id = submitted["task_id"]
    waiting = answered(srp("tasks", task_id, "--json"))
    assert (waiting["state"], waiting["complete"], waiting["cases"], waiting["cells"]) == ("submitted", None, None, [])
    assert (waiting["from"], waiting["to"]) == ("2024-02-03T00:00:00Z", "2024-03-01T00:00:00Z")
    refused = answered(srp("cases", task_id, "--json"))["error"]
    assert (refused["code"], refused["remedy"]) == ("conflict", "run `srp recall --now`")

    with engine.begin() as connection:
        (batch_id,) = claim_window(connection, settings, now=later(0), at_once=True).batches
        attempt = begin_attempt(connection, batch_id, run_id="run", worker="here:1:0.00", now=later(1), lease_until=later(61))
        cells = [Cell(task_id, "post", product, "2024-02", 5, 5, 2, build_id=1) for product in ("aurora", "lotus")]
        outcome = registry.Outcome(task_id, 4, complete=True, note=None)
        finish_attempt(connection, attempt, folder="cases/x", summary={}, outcomes=[outcome], cells=cells, now=later(4))
    done = answered(srp("tasks", task_id, "--json"))
    assert {"task_id", "state", "complete", "cases", "cells", "timings", "error"} <= set(done)
    assert (done["state"], done["complete"], done["cases"], done["error"]) == ("done", True, 4, None)
    cell = {"object": "post", "period": "2024-02", "present": 10, "scanned": 10, "matched": 4, "from_landing": False, "reopened": False}
    assert done["cells"] == [cell]
    assert done["timings"]["ran_seconds"] == 3.0
    assert [task["task_id"] for task in answered(srp("tasks", "--json"))["tasks"]] == [task_id]
    assert re.search(rf"{task_id} +fitness +done +4 +yes", srp("tasks")[1])
    assert re.search(r"post +1 +10 +10 +4", srp("tasks", task_id)[1])


def test_nothing_to_do_is_said(srp: Srp) -> None:
    assert answered(srp("build", "--json")) == {"built": [], "balanced": True}
    assert srp("build")[1] == "everything that landed is built\n"
    assert "no task was submitted yet" in srp("tasks")[1]


def test_spark_that_does_not_run(srp: Srp) -> None:
    assert answered(srp("spark", "status", "--json")) == {"running": False}
    assert answered(srp("spark", "down", "--json")) == {"stopped": False}


def test_an_interrupt_is_one_clear_line(engine: Engine, posts: Path) -> None:
    program = [sys.executable, "-m", "srp_assets.cli", "ingest", "jsonl", str(posts), "--product", "aurora", "--entity", "post"]
    with (
        Lease(engine, LEASE),  # another ingest is under way: this one waits, and says so
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT_ROOT) as command,
    ):
        assert command.stderr is not None
        assert command.stderr.readline() == "landing: waiting\n"
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=100)
    assert (command.returncode, out) == (130, "")
    assert err.strip() == "error: interrupted (what was finished stays; run the command again)"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-03", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-09", datetime(2024, 3, 9, tzinfo=UTC)),
        ("2024-03-09T14", datetime(2024, 3, 9, 14, tzinfo=UTC)),
        ("2024-03-09 14:30", datetime(2024, 3, 9, 14, 30, tzinfo=UTC)),
        ("2024-03-09T14:30:15Z", datetime(2024, 3, 9, 14, 30, 15, tzinfo=UTC)),
    ],
)
def test_times_may_be_cut_off(text: str, moment: datetime) -> None:
    assert Moment().convert(text, None, None) == moment


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 作业 👍", "plain 作业 👍"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\u202eb", "a\\u202eb"),
        ("\x9b2J", "\\x9b2J"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_texts_cannot_act_on_the_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_long_texts_are_cut_in_tables() -> None:
    assert shortened("x" * 200, 10) == "x" * 9 + "…"


def test_the_command_ends_with_its_exit_code(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "srp_assets.cli", "tasks", "t-x", "--json"], capture_output=True, text=True, cwd=PROJECT_ROOT
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    assert done.stderr == ""
