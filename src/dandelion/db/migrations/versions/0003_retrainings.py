"""Make retrainings: one at a time, what they rest on, and the time they took."""

import sqlalchemy as sa

from dandelion.db.changes import create_index, create_table, drop_table
from dandelion.db.tables import Id, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make it."""
    create_table(
        "retrainings",
        sa.Column("id", Id, primary_key=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("dataset", sa.String(64)),
        sa.Column("version", sa.String(32)),
        sa.Column("active", sa.Integer, unique=True),
        sa.Column("heartbeat_at", Moment, nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.Column("busy_seconds", sa.Double, nullable=False),
    )
    create_index("retrainings", "started_at")


def downgrade() -> None:
    """Remove it, with what it holds."""
    drop_table("retrainings")
