"""Make retrainings: one at a time, what they rest on, and the time they took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dandelion.db.changes import create_index, create_table, drop_table
from dandelion.db.tables import MYSQL, Id, Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    create_table(
        "retrainings",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("dataset", sa.String(length=64), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("active", sa.Integer(), nullable=True),
        sa.Column("heartbeat_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("busy_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
        sa.UniqueConstraint("active", name=op.f("uq_retrainings_active")),
        **MYSQL,
    )
    create_index("ix_retrainings_started_at", "retrainings", ["started_at"])


def downgrade() -> None:
    """Remove it, with what it holds."""
    drop_table("retrainings")
