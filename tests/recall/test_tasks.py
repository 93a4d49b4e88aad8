"""The state machine: every state is reachable, ends end, and names can be read out."""

import re
from datetime import UTC, datetime
from typing import get_args

from srp_assets.recall.tasks import (
    BATCH_TRANSITIONS,
    ENDED,
    READABLE,
    TASK_TRANSITIONS,
    BatchState,
    TaskState,
    new_batch_id,
    new_task_id,
    states_before,
)


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    for states, transitions, first in ((TaskState, TASK_TRANSITIONS, "submitted"), (BatchState, BATCH_TRANSITIONS, "claimed")):
        assert set(transitions) == set(get_args(states))
        reached = {first}
        for _ in transitions:
            reached |= {after for state in reached for after in transitions[state]}
        assert reached == set(get_args(states))


def test_a_done_task_stays_done() -> None:
    assert not TASK_TRANSITIONS["done"]
    assert {"done", "failed", "cancelled"} == ENDED


def test_a_task_is_taken_by_one_batch_only_and_done_only_out_of_a_run() -> None:
    assert states_before("done", TASK_TRANSITIONS) == ["running"]
    assert states_before("submitted", TASK_TRANSITIONS) == ["failed", "cancelled"]
    assert states_before("batched", TASK_TRANSITIONS) == ["submitted", "running"]


def test_ids_are_short_distinct_and_readable() -> None:
    ids = {new_task_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(f"t-[{READABLE}]{{8}}", task_id) for task_id in ids)


def test_batch_ids_are_in_the_order_of_their_claims() -> None:
    moments = [datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)]
    ids = [new_batch_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert ids[1].startswith("20260101-000000-")
