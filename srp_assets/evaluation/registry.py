"""The gate's decisions in the registry database: all of them, in order; a model version itself keeps the last alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime

metadata = sa.MetaData()

decision_table = sa.Table(
    "evaluation_decision",
    metadata,
    sa.Column("decision_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("version", sa.String, nullable=False),
    sa.Column("contender", sa.String, nullable=False),
    sa.Column("champion", sa.String),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("page", sa.String),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
)


@dataclass(frozen=True)
class DecisionRecord:
    """One decision.

    Args:
        decision_id: identity; 0 before it is recorded.
        model: name of the registered model.
        version: of the candidate.
        contender: the configured model and version that it is, as `name/number`.
        champion: version of the champion of that time; None if there was none.
        day: the last one that it was judged by.
        outcome: `refused`, `held`, `challenger` or `champion`.
        reasons: one line each.
        page: address of the report.
        decided_at: when.
        run_id: of the run that decided, if there was one.
    """

    decision_id: int
    model: str
    version: str
    contender: str
    champion: str | None
    day: str
    outcome: str
    reasons: tuple[str, ...]
    page: str | None
    decided_at: datetime
    run_id: str | None


def record_decision(connection: Connection, record: DecisionRecord) -> int:
    """Adds a decision; returns its identity."""
    values = {name: value for name, value in asdict(record).items() if name != "decision_id"}
    statement = decision_table.insert().returning(decision_table.c.decision_id)
    return int(connection.execute(statement, {**values, "reasons": list(record.reasons)}).scalar_one())


def decisions_of_run(connection: Connection, run_id: str) -> list[DecisionRecord]:
    """What a run decided, in order."""
    return _records(connection, decision_table.c.run_id == run_id)


def decisions_after(connection: Connection, decision_id: int) -> list[DecisionRecord]:
    """The decisions that were added after one, in order."""
    return _records(connection, decision_table.c.decision_id > decision_id)


def newest_decision(connection: Connection, model: str, contender: str) -> DecisionRecord | None:
    """The last decision on a contender."""
    columns = decision_table.c
    found: Sequence[DecisionRecord] = _records(connection, (columns.model == model) & (columns.contender == contender))
    return found[-1] if found else None


def _records(connection: Connection, condition: Any) -> list[DecisionRecord]:
    rows = connection.execute(sa.select(decision_table).where(condition).order_by(decision_table.c.decision_id)).mappings()
    return [DecisionRecord(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]
