"""Keep what photos looked like, and what the watch over all processes made of it."""

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
        "watches",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watches")),
        **MYSQL,
    )


def downgrade() -> None:
    """Drop them."""
    drop_table("watches")
    drop_table("sketches")
