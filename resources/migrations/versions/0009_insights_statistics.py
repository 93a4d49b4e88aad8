"""What is kept about the statistics of batches."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "insights_statistics",
        sa.Column("batch_id", sa.String, primary_key=True),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("details_folder", sa.String, nullable=False),
        sa.Column("tasks", sa.JSON, nullable=False),
        sa.Column("computed_at", UtcDateTime, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("run_id", sa.String),
    )


def downgrade() -> None:
    op.drop_table("insights_statistics")
