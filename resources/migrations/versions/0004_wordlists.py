"""The hits of standing word lists that are kept with built periods."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0004"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wordlists_hits",
        sa.Column("hits_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("build_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("lists", sa.JSON, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("built_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("retired_at", UtcDateTime),
    )


def downgrade() -> None:
    op.drop_table("wordlists_hits")
