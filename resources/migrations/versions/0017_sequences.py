"""Sequences: what is kept of months, the stages of days, and what landed of what was served."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sequences_build",
        sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("table", sa.String, nullable=False),
        sa.Column("identity", sa.String, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("newest_read", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
    )
    op.create_index("ix_sequences_build_period", "sequences_build", ["table", "identity", "period", "current"])
    op.create_table(
        "sequences_served",
        sa.Column("file_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("traces", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("landed_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("source", "day"),
    )


def downgrade() -> None:
    for name in ("sequences_served", "sequences_build"):
        op.drop_table(name)
