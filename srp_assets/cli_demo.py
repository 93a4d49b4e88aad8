"""The main job on the generated sample world: land, build, apply, submit, merge, run, and compare with what was planted."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import ERROR, OK, Home, answer, json_option, open_home
from srp_assets.cli_demo_gate import demo_gate, print_gate
from srp_assets.cli_demo_logs import demo_logs, print_logs
from srp_assets.cli_demo_models import demo_models, print_models
from srp_assets.cli_demo_online import demo_online, print_online
from srp_assets.errors import Conflict

if TYPE_CHECKING:
    from srp_assets.console import Report
    from srp_assets.recall.registry import Task
    from srp_assets.samples.world import World

ROWS = 50_000
"""Rows of the world unless another size is asked for: the whole demo then takes a minute or two on two cores."""

POLL_SECONDS = 0.5
"""How often it is looked whether a daemon that took the tasks has answered them."""


@dataclass(frozen=True)
class Answer:
    """One task beside the truth."""

    task: "Task"
    pattern: str
    expected: int
    equal: bool


@click.command("demo")
@click.option("--rows", type=click.IntRange(min=1000), default=ROWS, show_default=True, help="Size of the sample world.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed gives another world.")
@json_option
def demo_command(rows: int, seed: int, as_json: bool) -> int:
    """Run the main job on the generated sample world and compare every task with what was planted.

    Generates a content platform of two products, lands it, builds its tables through Dagster, applies examples/sample, submits a task for
    each of its strategies, lets the sensor merge them into one batch, and runs it. Then the logs of a generated shop are landed and
    stitched, some of its requests are answered online and what was served is logged, features and training sets of its impressions are
    built, every configured model is trained on them, and the better one becomes champion; a model that was trained on a day on which one
    feature was served wrongly is refused. Exit code 1 if any task or any figure of the logs differs from the planted truth, a served row is
    not in the log, a model does not tell what is clicked, or the gate decides otherwise. In a home that holds the world already, only the
    tasks run anew.
    """
    from srp_assets.console import hint, progress, say
    from srp_assets.samples.demo import gate_days
    from srp_assets.samples.ranking.world import RankingWorld

    started = time.monotonic()
    with open_home() as home:
        world = _world(home, rows, seed)
        with progress("demo", shown=not as_json) as report:
            rejected, planted = _land(home, world, report)
            answers = _build_and_recall(home, world, report)
            balanced = _balanced(home)
            logs = demo_logs(home, rows, seed, report)
            online = demo_online(home, rows, seed, report)
            days = gate_days(RankingWorld(rows, seed))
            models = demo_models(home, days.proved, report)
            gate = demo_gate(home, days, report)
    good = balanced and logs.good and online.good and models.good and gate.good and rejected == planted
    good = good and all(found.equal and found.task.complete for found in answers)
    seconds = time.monotonic() - started
    if as_json:
        answer(
            {
                "rows": rows,
                "seed": seed,
                "tasks": [_as_dict(found) for found in answers],
                "rejected": rejected,
                "balanced": balanced,
                "logs": logs.as_dict(),
                "online": online.as_dict(),
                "models": models.as_dict(),
                "gate": gate.as_dict(),
                "equal": good,
                "seconds": round(seconds, 1),
            }
        )
        return OK if good else ERROR
    _print(answers, rejected, planted, balanced)
    print_logs(logs)
    print_online(online)
    print_models(models)
    print_gate(gate)
    batches = len({found.task.batch_id for found in answers})
    merged = "one merged batch" if batches == 1 else f"{batches} merged batches"
    say(f"{len(answers)} tasks in {merged}: {'all as planted' if good else 'NOT as planted'}; {seconds:.0f} s in all")
    hint("see the assets, the batch and its metadata: make dev, then http://127.0.0.1:3000")
    if answers:
        hint(f"see cases with their hits: srp cases {answers[0].task.task_id}")
    return OK if good else ERROR


def _world(home: Home, rows: int, seed: int) -> "World":
    """The world, if it is the only thing that this home holds.

    Raises:
        Conflict: if the home holds something else: its counts would not be the planted ones.
    """
    import sqlalchemy as sa

    from srp_assets.samples.demo import CATALOGUE
    from srp_assets.samples.ranking.landing import source_of
    from srp_assets.samples.ranking.world import RankingWorld
    from srp_assets.samples.world import World
    from srp_assets.warehouse.catalogue import load_catalogue
    from srp_assets.warehouse.registry import ingest

    remedy = "run it with another home: SRP_HOME=.srp-demo srp demo"
    if home.catalogue.digest != load_catalogue(CATALOGUE).digest:
        raise Conflict("the demo needs the catalogue of the sample world", where="SRP_CATALOGUE", remedy=remedy)
    world = World(rows, seed)
    with home.engine.connect() as connection:
        landed = connection.execute(sa.select(ingest.c.reader, ingest.c.source).where(ingest.c.state == "committed")).all()
    own = (_source(world), str(_folder(home)), source_of(RankingWorld(rows, seed)))
    others = [row.source for row in landed if not row.source.startswith(own)]
    if others:
        raise Conflict(f"this home already holds other data: {others[0]}", where=str(home.settings.home_folder), remedy=remedy)
    return world


def _source(world: "World") -> str:
    return f"sample world of {world.rows} rows, seed {world.seed}:"


def _folder(home: Home) -> Any:
    return home.settings.home_folder / "demo"


def _land(home: Home, world: "World", report: "Report") -> tuple[dict[str, int], dict[str, int]]:
    """Lands the world; rejects as they were found and as they were planted. Landing it again changes nothing."""
    from srp_assets.samples.landing import land_world
    from srp_assets.samples.ranking.catalogue_items import land_items
    from srp_assets.samples.ranking.world import RankingWorld

    landed = land_world(home.engine, home.storage, home.catalogue, world, _folder(home), progress=lambda step, done: report(step, done, 0))
    # What the shop of the second half offers; features of its logs will ask for it.
    land_items(home.engine, home.storage, home.catalogue, RankingWorld(world.rows, world.seed))
    return dict(sorted(landed.rejected.items())), dict(sorted(landed.planted_rejects.items()))


def _build_and_recall(home: Home, world: "World", report: "Report") -> list[Answer]:
    from srp_assets.samples.demo import DOCUMENTS, expected_cases
    from srp_assets.strategy.apply import apply_documents

    with home.engine.begin() as connection:
        apply_documents(connection, home.catalogue, [DOCUMENTS])
    report("working out what was planted", 0, 0)
    expected = expected_cases(world)
    task_ids = _submit(home, sorted(expected))
    # All of them together fill the window, so that the sensor closes it at once.
    settings = home.settings.model_copy(update={"recall_window_tasks": len(task_ids)})

    from srp_assets.cli_runs import LocalRuns

    with LocalRuns(replace(home, settings=settings), progress=report) as runs:
        runs.build_everything()
        for request in runs.tick():
            runs.run_request(request)
        runs.run_claimed()
    return _compare(home, _ended(home, list(task_ids.values())), expected)


def _submit(home: Home, strategies: Sequence[str]) -> dict[str, str]:
    from srp_assets.recall.submission import submit

    with home.engine.begin() as connection:
        return {strategy: submit(connection, home.catalogue, strategy, now=datetime.now(UTC)) for strategy in strategies}


def _ended(home: Home, task_ids: Sequence[str]) -> "list[Task]":
    """The tasks once all have ended: a daemon on the same home may have been quicker to take them."""
    from srp_assets.recall import registry
    from srp_assets.recall.tasks import ENDED

    while True:
        with home.engine.connect() as connection:
            tasks = [registry.task(connection, task_id) for task_id in task_ids]
        if all(task.state in ENDED for task in tasks):
            return tasks
        time.sleep(POLL_SECONDS)


def _compare(home: Home, tasks: "Sequence[Task]", expected: Mapping[str, Mapping[str, set[str]]]) -> list[Answer]:
    from srp_assets.recall import registry
    from srp_assets.recall.cases import case_batches

    with home.engine.connect() as connection:
        specs = {spec.task_id: spec for spec in registry.task_specs(connection, [task.task_id for task in tasks])}
    answers = []
    for task in tasks:
        found: dict[str, list[str]] = {product: [] for product in expected[task.strategy]}
        for batch in case_batches(home.storage, task.cases_folder, task.task_id) if task.cases_folder else ():
            for product, key in zip(batch.column("product").to_pylist(), batch.column("id").to_pylist(), strict=True):
                found.setdefault(product, []).append(key)
        truth = {product: sorted(ids) for product, ids in expected[task.strategy].items()}
        equal = {product: sorted(ids) for product, ids in found.items()} == truth
        answers.append(Answer(task, "+".join(specs[task.task_id].strategy.objects), sum(map(len, truth.values())), equal))
    return answers


def _balanced(home: Home) -> bool:
    from srp_assets.warehouse.registry_builds import ledger

    with home.engine.connect() as connection:
        rows = ledger(connection)
    return bool(rows) and all(row.balanced and row.built for row in rows)


def _as_dict(found: Answer) -> dict[str, Any]:
    return {
        "task_id": found.task.task_id,
        "strategy": found.task.strategy,
        "pattern": found.pattern,
        "state": found.task.state,
        "cases": found.task.cases,
        "planted": found.expected,
        "equal": found.equal,
        "complete": found.task.complete,
    }


def _print(answers: Sequence[Answer], rejected: Mapping[str, int], planted: Mapping[str, int], balanced: bool) -> None:
    from srp_assets.console import number, say, table

    reasons = sorted({*rejected, *planted})
    table(
        "broken rows",
        ("reason", "planted", "rejected"),
        [(reason, number(planted.get(reason, 0)), number(rejected.get(reason, 0))) for reason in reasons],
        right=("planted", "rejected"),
    )
    say(f"ledger: {'every landed row is accounted for' if balanced else 'DOES NOT BALANCE'}")
    say("")
    rows = [
        (
            found.task.strategy,
            found.pattern,
            found.task.task_id,
            found.task.state,
            number(found.expected),
            number(found.task.cases),
            "yes" if found.equal else "NO",
            "yes" if found.task.complete else "NO",
        )
        for found in answers
    ]
    columns = ("strategy", "pattern", "task", "state", "planted", "recalled", "same cases", "complete")
    table("tasks", columns, rows, right=("planted", "recalled"))
