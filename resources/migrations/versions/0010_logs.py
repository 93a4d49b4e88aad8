"""Logs: the home's log catalogue, ingests and what they landed by day, the index of event ids, days and their builds."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logs_catalogue",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("declaration", sa.JSON, nullable=False),
        sa.Column("bound_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "logs_ingest",
        sa.Column("ingest_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("log", sa.String, nullable=False),
        sa.Column("reader", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("landed_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("summary", sa.JSON),
    )
    op.create_table(
        "logs_landing",
        sa.Column("ingest_id", Identifier, sa.ForeignKey("logs_ingest.ingest_id"), primary_key=True, autoincrement=False),
        sa.Column("log", sa.String, primary_key=True),
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("landed", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.BigInteger, nullable=False),
        sa.Column("duplicate", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("withdrawals", sa.JSON, nullable=False),
        sa.Index("ix_logs_landing_day", "log", "day"),
    )
    op.create_table(
        "logs_event_index",
        sa.Column("log", sa.String, primary_key=True),
        sa.Column("files", sa.JSON, nullable=False),
    )
    op.create_table(
        "logs_build",
        sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("through_ingest", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reads", sa.JSON, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Index("ix_logs_build_day", "day", "current"),
    )


def downgrade() -> None:
    for name in ("build", "event_index", "landing", "ingest", "catalogue"):
        op.drop_table(f"logs_{name}")
