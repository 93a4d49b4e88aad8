"""Differences: what each comparison of a day's sequences found, and why its sequences differ."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sequences_difference",
        sa.Column("difference_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("day", sa.String, nullable=False, index=True),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("reads", sa.String, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("problems", sa.JSON, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("compared_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
    )


def downgrade() -> None:
    op.drop_table("sequences_difference")
