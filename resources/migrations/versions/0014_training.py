"""Training: sets by day."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "training_set",
        sa.Column("set_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("identity", sa.String, nullable=False),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("newest_read", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Index("ix_training_set_day", "identity", "day", "current"),
    )


def downgrade() -> None:
    op.drop_table("training_set")
