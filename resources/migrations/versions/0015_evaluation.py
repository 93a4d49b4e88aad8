"""Evaluation: decisions of the gate."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation_decision",
        sa.Column("decision_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("contender", sa.String, nullable=False),
        sa.Column("champion", sa.String),
        sa.Column("day", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("page", sa.String),
        sa.Column("decided_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
    )


def downgrade() -> None:
    op.drop_table("evaluation_decision")
