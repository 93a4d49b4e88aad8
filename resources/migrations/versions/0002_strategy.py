"""Documents that people apply (word lists, features, values, rules, strategies) and what they refer to."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "strategy_document",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("topic", sa.String),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("archived_at", UtcDateTime),
    )
    op.create_table(
        "strategy_reference",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("to_kind", sa.String, primary_key=True),
        sa.Column("to_id", sa.String, primary_key=True),
        sa.ForeignKeyConstraint(
            ["kind", "id", "version"], ["strategy_document.kind", "strategy_document.id", "strategy_document.version"], ondelete="CASCADE"
        ),
        sa.Index("ix_strategy_reference_to", "to_kind", "to_id"),
    )


def downgrade() -> None:
    op.drop_table("strategy_reference")
    op.drop_table("strategy_document")
