"""Estimates made before submission, and which task each was made for: kept beside what came out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, ForeignKey, Integer, RowMapping, String, Table, insert, select

from resources.registry_types import UtcDateTime
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.registry import metadata, recall_batch

recall_estimate = Table(
    "recall_estimate",
    metadata,
    Column("estimate_id", Integer, primary_key=True),
    Column("question", String, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("share", Float, nullable=False),
    Column("sample_cases", BigInteger, nullable=False),
    Column("cases", BigInteger, nullable=False),
    Column("cases_low", BigInteger, nullable=False),
    Column("cases_high", BigInteger, nullable=False),
    Column("recalled_rows", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("cells", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)

recall_task_estimate = Table(
    "recall_task_estimate",
    metadata,
    Column("task_id", String, ForeignKey("recall_task.task_id"), primary_key=True),
    Column("estimate_id", Integer, ForeignKey("recall_estimate.estimate_id"), nullable=False),
)


@dataclass(frozen=True)
class Estimate:
    """What a task is expected to find and to cost.

    `share` of the roots were looked at, in which `sample_cases` were found; with 1 the count is exact. The number of cases lies between
    `cases_low` and `cases_high` with a confidence of 95 %. `recalled_rows` are the rows of the recalled object's table that the task looks
    at, `rows` all rows that it reads, in so many `cells`; `seconds` is how long such a batch takes.
    """

    share: float
    sample_cases: int
    cases: int
    cases_low: int
    cases_high: int
    recalled_rows: int
    rows: int
    cells: int
    seconds: float

    @property
    def is_exact(self) -> bool:
        """Whether all roots were looked at."""
        return self.share >= 1

    def share_of_all(self, cases: int) -> float:
        """A number of cases as a share of the rows of the recalled object's table."""
        return cases / self.recalled_rows if self.recalled_rows else 0.0


@dataclass(frozen=True)
class Measured:
    """A batch that ran: the rows that it read and the seconds of its steps."""

    rows: int
    seconds: float


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate in the JSON shape that users see."""
    return {
        "exact": estimate.is_exact,
        "sampled_share": estimate.share,
        "sample_cases": estimate.sample_cases,
        "cases": estimate.cases,
        "cases_low": estimate.cases_low,
        "cases_high": estimate.cases_high,
        "share_of_all": estimate.share_of_all(estimate.cases),
        "recalled_rows": estimate.recalled_rows,
        "rows": estimate.rows,
        "cells": estimate.cells,
        "seconds": estimate.seconds,
    }


def question_of(task: TaskSpec) -> str:
    """Identity of what a task asks: the pinned strategy, the products and the range, whatever the task is called."""
    asked: Mapping[str, Any] = task.model_dump(mode="json", exclude={"task_id"})
    return sha256(json.dumps({**asked, "products": sorted(task.products)}, sort_keys=True).encode()).hexdigest()


def add_estimate(connection: Connection, task: TaskSpec, estimate: Estimate, *, now: datetime) -> None:
    """Keeps an estimate for whoever submits the same task."""
    connection.execute(insert(recall_estimate).values(question=question_of(task), created_at=now, **asdict(estimate)))


def newest_estimate(connection: Connection, task: TaskSpec) -> tuple[int, Estimate] | None:
    """The newest estimate of the same task, with its id."""
    columns = recall_estimate.c
    query = select(recall_estimate).where(columns.question == question_of(task)).order_by(columns.estimate_id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else (row["estimate_id"], _estimate(row))


def link_estimate(connection: Connection, task_id: str, estimate_id: int) -> None:
    """Says that a task was submitted after an estimate."""
    connection.execute(insert(recall_task_estimate).values(task_id=task_id, estimate_id=estimate_id))


def estimate_of(connection: Connection, task_id: str) -> Estimate | None:
    """The estimate after which a task was submitted; None if there was none."""
    linked = recall_task_estimate.c
    query = select(recall_estimate).join(recall_task_estimate, linked.estimate_id == recall_estimate.c.estimate_id)
    row = connection.execute(query.where(linked.task_id == task_id)).mappings().first()
    return None if row is None else _estimate(row)


def measured_batches(connection: Connection, *, newest: int) -> list[Measured]:
    """The rows and seconds of the newest batches that were done, the newest first."""
    columns = recall_batch.c
    query = select(columns.summary).where(columns.summary.is_not(None)).order_by(columns.finished_at.desc()).limit(newest)
    summaries = [summary for summary in connection.execute(query).scalars() if summary and "rows_scanned" in summary]
    return [Measured(summary["rows_scanned"], sum(summary.get("timings", {}).values())) for summary in summaries]


def _estimate(row: RowMapping) -> Estimate:
    return Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__})
