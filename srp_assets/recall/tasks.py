"""The states of tasks and batches, and which may follow which: a pure table that the registry's updates are guarded by.

A task waits (`submitted`) until a window closes and takes it into a batch (`batched`). A batch is tried by one run at a time; while it is
tried its tasks are `running`. A try that fails puts them back to `batched`, until their tries are used up; for the last one the batch is
`split`, each task into a batch of its own, so that one bad task takes no others along. A task may be cancelled until it is done, and queued
again where it failed or was cancelled. A batch that failed may be tried again by hand.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TypeVar

TaskState = Literal["submitted", "batched", "running", "done", "failed", "cancelled"]
BatchState = Literal["claimed", "running", "done", "failed", "split", "cancelled", "removed"]

TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    "submitted": frozenset({"batched", "cancelled"}),
    "batched": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"done", "batched", "failed", "cancelled"}),
    "failed": frozenset({"running", "submitted"}),
    "cancelled": frozenset({"submitted"}),
    "done": frozenset(),
}
"""From each state, the states that may follow."""

BATCH_TRANSITIONS: Mapping[BatchState, frozenset[BatchState]] = {
    "claimed": frozenset({"running", "claimed", "failed", "split", "cancelled"}),
    "running": frozenset({"done", "claimed", "failed", "split", "cancelled"}),
    "failed": frozenset({"running", "removed"}),
    "split": frozenset({"removed"}),
    "cancelled": frozenset({"removed"}),
    "done": frozenset({"removed"}),
    "removed": frozenset(),
}
"""`claimed` follows `claimed` where a run died before it began to work: that try is used up. A batch is `cancelled` with its last task."""

ENDED: frozenset[TaskState] = frozenset({"done", "failed", "cancelled"})
ENDED_BATCHES: frozenset[BatchState] = frozenset({"done", "failed", "split", "cancelled"})

State = TypeVar("State", TaskState, BatchState)

READABLE = "23456789abcdefghjkmnpqrstvwxyz"
"""Digits and letters that nobody takes for one another."""


def states_before(target: State, transitions: Mapping[State, frozenset[State]]) -> list[State]:
    """The states from which `target` may follow, in the table's order."""
    return [state for state, following in transitions.items() if target in following]


def new_task_id() -> str:
    """A short text to read out or to type: `t-` and eight characters (30^8, six hundred thousand million, of them)."""
    return "t-" + "".join(secrets.choice(READABLE) for _ in range(8))


def new_batch_id(now: datetime) -> str:
    """The name of a batch, also of its Dagster partition: the time of its claim, so that the list is in order, and a few characters."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-" + "".join(secrets.choice(READABLE) for _ in range(4))
