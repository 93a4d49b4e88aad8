"""Parity: records by day and feature, and which feature versions each version of the definitions held."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_definitions",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "online_parity",
        sa.Column("parity_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("day", sa.String, nullable=False, index=True),
        sa.Column("definitions", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("data", sa.String, nullable=False),
        sa.Column("served", sa.BigInteger, nullable=False),
        sa.Column("sampled", sa.BigInteger, nullable=False),
        sa.Column("unmatched", sa.BigInteger, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("pairs", sa.String),
        sa.Column("page", sa.String),
        sa.Column("checked_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
    )
    op.create_table(
        "online_parity_feature",
        sa.Column("parity_id", Identifier, sa.ForeignKey("online_parity.parity_id"), primary_key=True, autoincrement=False),
        sa.Column("feature", sa.String, primary_key=True),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("mismatches", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.BigInteger, nullable=False),
        sa.Column("foreign", sa.BigInteger, nullable=False),
        sa.Column("defaulted", sa.BigInteger, nullable=False),
        sa.Column("online_mean", sa.Float),
        sa.Column("online_variance", sa.Float),
        sa.Column("online_nulls", sa.BigInteger, nullable=False),
        sa.Column("offline_mean", sa.Float),
        sa.Column("offline_variance", sa.Float),
        sa.Column("offline_nulls", sa.BigInteger, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    for name in ("online_parity_feature", "online_parity", "features_definitions"):
        op.drop_table(name)
