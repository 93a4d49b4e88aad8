"""Features: builds by day."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_build",
        sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("table", sa.String, nullable=False),
        sa.Column("identity", sa.String, nullable=False),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("newest_read", sa.BigInteger, nullable=False),
        sa.Column("attributes_ingest", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("rows", sa.JSON, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Index("ix_features_build_day", "table", "identity", "day", "current"),
    )


def downgrade() -> None:
    op.drop_table("features_build")
