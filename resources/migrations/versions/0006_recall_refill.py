"""Cells know the build that they were scanned in; refills, and tasks that follow what lands later."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of cells from before nothing is known: all that landed counts as later, so a refill looks at everything again.
    op.add_column("recall_cell", sa.Column("build_id", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("recall_cell", sa.Column("through_ingest", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("recall_task", sa.Column("realtime", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("recall_task", sa.Column("follow", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("recall_task", sa.Column("refills", sa.Integer, nullable=False, server_default="0"))
    op.add_column("recall_task", sa.Column("refilled_at", UtcDateTime))
    op.create_table(
        "recall_refill",
        sa.Column("task_id", sa.String, sa.ForeignKey("recall_task.task_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_in_all", sa.BigInteger, nullable=False),
        sa.Column("cells", sa.Integer, nullable=False),
        sa.Column("roots", sa.BigInteger),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String),
    )


def downgrade() -> None:
    op.drop_table("recall_refill")
    for column in ("refilled_at", "refills", "follow", "realtime"):
        op.drop_column("recall_task", column)
    for column in ("through_ingest", "build_id"):
        op.drop_column("recall_cell", column)
