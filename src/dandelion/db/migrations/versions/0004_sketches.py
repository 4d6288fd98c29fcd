"""Store sketches of photos, and the drift over all processes found in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dandelion.db.changes import create_table, drop_table
from dandelion.db.tables import MYSQL, Id

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    create_table(
        "sketches",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("sketch", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sketches")),
        **MYSQL,
    )
    create_table(
        "drift_reports",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_reports")),
        **MYSQL,
    )


def downgrade() -> None:
    """Drop them."""
    drop_table("drift_reports")
    drop_table("sketches")
