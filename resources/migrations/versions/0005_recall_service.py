"""Recall as a service: leases, urgent and cancelled tasks, notifications."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import UtcDateTime

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recall_batch", sa.Column("lease_until", UtcDateTime))
    op.add_column("recall_task", sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("recall_task", sa.Column("retried_at", UtcDateTime))
    op.add_column("recall_task", sa.Column("notify_at", UtcDateTime))
    op.add_column("recall_task", sa.Column("notify_tries", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_recall_task_notify_at", "recall_task", ["notify_at"])


def downgrade() -> None:
    op.drop_index("ix_recall_task_notify_at", "recall_task")
    for column in ("notify_tries", "notify_at", "retried_at", "urgent"):
        op.drop_column("recall_task", column)
    op.drop_column("recall_batch", "lease_until")
