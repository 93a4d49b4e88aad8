"""The command `srp tasks refill`: bring finished tasks up to date with what landed later."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, answer, json_option, open_home

if TYPE_CHECKING:
    from srp_assets.recall.registry import Task
    from srp_assets.recall.registry_refills import Refill


@click.command("refill")
@click.argument("task_ids", metavar="TASK..", nargs=-1, required=True)
@json_option
def refill_command(task_ids: Sequence[str], as_json: bool) -> int:
    """Bring finished tasks up to date with what landed since, without the daemon.

    Builds what reopened, then evaluates the join keys again that changed: new cases are added, cases that no longer hold are withdrawn
    (`srp cases TASK --withdrawn`). All tasks share one scan. A task that nothing has reopened is left as it is. Exit code 3 if a task is
    not complete.
    """
    from srp_assets.console import progress

    wanted = list(dict.fromkeys(task_ids))
    with open_home() as home:
        from srp_assets.recall.refill.refilling import require_refillable
        from srp_assets.recall.refill.reopened import ledgers
        from srp_assets.recall.registry import task
        from srp_assets.recall.registry_refills import refill

        with home.engine.connect() as connection:
            before = [require_refillable(task(connection, task_id)) for task_id in wanted]
            reopened = [ledger for ledger in ledgers(connection, home.catalogue, before) if ledger.reopened]
        if reopened:
            with progress("refill", shown=not as_json) as report:
                from srp_assets.cli_runs import LocalRuns

                with LocalRuns(home, progress=report) as runs:
                    runs.build(key for ledger in reopened for key in ledger.unbuilt)
                    runs.refill([ledger.task.task_id for ledger in reopened])
        with home.engine.connect() as connection:
            after = [task(connection, task_id) for task_id in wanted]
            done = {now.task_id: refill(connection, now) for now, then in zip(after, before, strict=True) if now.refills > then.refills}
    if as_json:
        answer({"refills": [_summary(task, done.get(task.task_id)) for task in after]})
    else:
        for found in after:
            _tell(found, done.get(found.task_id))
    return OK if all(task.complete for task in after) else INCOMPLETE


def _summary(task: "Task", done: "Refill | None") -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "refilled": done is not None,
        "cases": task.cases,
        "complete": task.complete,
        "note": task.note,
        "added": done.added if done else 0,
        "changed": done.changed if done else 0,
        "withdrawn": done.withdrawn if done else 0,
        "cells": done.cells if done else 0,
        "roots": done.roots if done else 0,
    }


def _tell(task: "Task", done: "Refill | None") -> None:
    from srp_assets.console import hint, number, say

    if done is None:
        say(f"{task.task_id} is up to date: nothing has reopened")
        return
    again = "the whole task was" if done.roots is None else f"{number(done.roots)} join keys were"
    say(
        f"{task.task_id}: {number(task.cases)} cases: {number(done.added)} added, {number(done.changed)} changed, "
        f"{number(done.withdrawn)} withdrawn; {again} evaluated again, {number(done.cells)} cells counted anew"
    )
    if task.note:
        hint(task.note)
    if done.withdrawn:
        hint(f"next: srp cases {task.task_id} --withdrawn")
