"""Embeddings: builds of sequences by day, and versions of vectors."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "embeddings_sessions",
        sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("identity", sa.String, nullable=False),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("newest_read", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Index("ix_embeddings_sessions_day", "identity", "day", "current"),
    )
    op.create_table(
        "embeddings_version",
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("week", sa.String, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("base", sa.String),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("problems", sa.JSON, nullable=False),
        sa.Column("tracked_run", sa.String),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Index("ix_embeddings_version_name", "name", "current"),
    )


def downgrade() -> None:
    for name in ("embeddings_version", "embeddings_sessions"):
        op.drop_table(name)
