"""Store sketches of photos, and the drift over all processes found in them."""

import sqlalchemy as sa

from dandelion.db.changes import create_table, drop_table
from dandelion.db.tables import Id

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    create_table(
        "sketches",
        sa.Column("id", Id, primary_key=True),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("photos", sa.Integer, nullable=False),
        sa.Column("sketch", sa.JSON, nullable=False),
    )
    create_table(
        "drift_reports",
        sa.Column("id", Id, primary_key=True),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("photos", sa.Integer, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    drop_table("drift_reports")
    drop_table("sketches")
