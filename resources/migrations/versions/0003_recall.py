"""Tasks, batches and the cells that prove completeness."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0003"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recall_batch",
        sa.Column("batch_id", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("folder", sa.String),
        sa.Column("summary", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("run_id", sa.String),
        sa.Column("worker", sa.String),
    )
    op.create_table(
        "recall_task",
        sa.Column("task_id", sa.String, primary_key=True),
        sa.Column("strategy", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("resolved", sa.JSON, nullable=False),
        sa.Column("products", sa.JSON, nullable=False),
        sa.Column("published_from", UtcDateTime),
        sa.Column("published_to", UtcDateTime),
        sa.Column("as_of_ingest", sa.BigInteger, nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("batch_id", sa.String, sa.ForeignKey("recall_batch.batch_id"), index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("submitted_at", UtcDateTime, nullable=False),
        sa.Column("batched_at", UtcDateTime),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("cases", sa.BigInteger),
        sa.Column("complete", sa.Boolean),
        sa.Column("note", sa.String),
        sa.Column("error", sa.JSON),
        sa.Column("cases_folder", sa.String),
    )
    op.create_table(
        "recall_cell",
        sa.Column("task_id", sa.String, sa.ForeignKey("recall_task.task_id"), primary_key=True),
        sa.Column("object", sa.String, primary_key=True),
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("period", sa.String, primary_key=True),
        sa.Column("present", sa.BigInteger, nullable=False),
        sa.Column("scanned", sa.BigInteger, nullable=False),
        sa.Column("matched", sa.BigInteger, nullable=False),
        sa.Column("excluded", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("recall_cell")
    op.drop_table("recall_task")
    op.drop_table("recall_batch")
