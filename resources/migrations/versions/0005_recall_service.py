"""Recall as a service: leases, urgent and cancelled tasks, notifications."""

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
