"""Online: what was loaded into the store, and when."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "online_load",
        sa.Column("load_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("day", sa.String, nullable=False, index=True),
        sa.Column("generation", sa.String, nullable=False),
        sa.Column("records", sa.String, nullable=False),
        sa.Column("definitions", sa.String, nullable=False),
        sa.Column("attributes_ingest", sa.BigInteger, nullable=False),
        sa.Column("keys", sa.BigInteger, nullable=False),
        sa.Column("portraits", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("replayed", sa.BigInteger, nullable=False),
        sa.Column("loaded_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
    )


def downgrade() -> None:
    op.drop_table("online_load")
