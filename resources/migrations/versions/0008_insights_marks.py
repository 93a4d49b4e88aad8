"""Marks of cases, the sheets that they were made on, and the weights of sampled cases."""

import sqlalchemy as sa
from alembic import op

from resources.registry_types import Identifier, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "insights_sheet",
        sa.Column("sheet_id", sa.String, primary_key=True),
        sa.Column("task_id", sa.String, nullable=False, index=True),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("cases", sa.BigInteger, nullable=False),
        sa.Column("refills", sa.Integer, nullable=False),
        sa.Column("strata", sa.JSON, nullable=False),
        sa.Column("texts_path", sa.String, nullable=False),
    )
    op.create_table(
        "insights_sheet_row",
        sa.Column("sheet_id", sa.String, sa.ForeignKey("insights_sheet.sheet_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("object", sa.String, nullable=False),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("stratum", sa.Integer, nullable=False),
        sa.Column("causes", sa.JSON, nullable=False),
    )
    op.create_table(
        "insights_mark",
        sa.Column("mark_id", Identifier, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("object", sa.String, nullable=False),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("note", sa.String),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("sheet_id", sa.String, sa.ForeignKey("insights_sheet.sheet_id")),
        sa.Column("causes", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("insights_mark")
    op.drop_table("insights_sheet_row")
    op.drop_table("insights_sheet")
