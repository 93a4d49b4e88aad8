"""Estimates before submission, kept beside what came out."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recall_estimate",
        sa.Column("estimate_id", sa.Integer, primary_key=True),
        sa.Column("question", sa.String, nullable=False, index=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("sample_cases", sa.BigInteger, nullable=False),
        sa.Column("cases", sa.BigInteger, nullable=False),
        sa.Column("cases_low", sa.BigInteger, nullable=False),
        sa.Column("cases_high", sa.BigInteger, nullable=False),
        sa.Column("recalled_rows", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("cells", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    op.create_table(
        "recall_task_estimate",
        sa.Column("task_id", sa.String, sa.ForeignKey("recall_task.task_id"), primary_key=True),
        sa.Column("estimate_id", sa.Integer, sa.ForeignKey("recall_estimate.estimate_id"), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("recall_task_estimate")
    op.drop_table("recall_estimate")
