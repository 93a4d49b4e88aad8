"""The home's catalogue, ingests and what they landed, the key index, leases, builds."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = ("warehouse",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "warehouse_home",
        sa.Column("catalogue_name", sa.String, primary_key=True),
        sa.Column("catalogue_digest", sa.String, nullable=False),
        sa.Column("catalogue", sa.JSON, nullable=False),
        sa.Column("bound_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "warehouse_ingest",
        sa.Column("ingest_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("reader", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("entity", sa.String),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("landed_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("summary", sa.JSON),
    )
    op.create_table(
        "warehouse_landing",
        sa.Column("ingest_id", Identifier, sa.ForeignKey("warehouse_ingest.ingest_id"), primary_key=True, autoincrement=False),
        sa.Column("entity", sa.String, primary_key=True),
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("period", sa.String, primary_key=True),
        sa.Column("landed", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("tombstones", sa.BigInteger, nullable=False),
        sa.Column("duplicate", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Index("ix_warehouse_landing_period", "entity", "product", "period"),
    )
    op.create_table(
        "warehouse_key_index",
        sa.Column("entity", sa.String, primary_key=True),
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("index_files", sa.JSON, nullable=False),
        sa.Column("pending_files", sa.JSON, nullable=False),
    )
    op.create_table(
        "warehouse_lease",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "warehouse_build",
        sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("through_ingest", sa.BigInteger, nullable=False),
        sa.Column("rows_visible", sa.BigInteger, nullable=False),
        sa.Column("rows_hidden", sa.BigInteger, nullable=False),
        sa.Column("superseded", sa.BigInteger, nullable=False),
        sa.Column("moved", sa.BigInteger, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Index("ix_warehouse_build_current", "entity", "product", "period", "current"),
    )


def downgrade() -> None:
    for name in ("build", "lease", "key_index", "landing", "ingest", "home"):
        op.drop_table(f"warehouse_{name}")
