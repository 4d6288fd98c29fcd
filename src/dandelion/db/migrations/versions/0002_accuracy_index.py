"""Count labels by time and version from an index alone."""

from dandelion.db.changes import create_index, drop_index

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen the index."""
    create_index("feedback", "created_at", "model_version", "correct")
    drop_index("feedback", "created_at")


def downgrade() -> None:
    """Narrow it again."""
    create_index("feedback", "created_at")
    drop_index("feedback", "created_at", "model_version", "correct")
