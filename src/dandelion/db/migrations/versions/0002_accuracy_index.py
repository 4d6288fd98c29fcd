"""Count labels by time and version from an index alone."""

from __future__ import annotations

from dandelion.db.changes import create_index, drop_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ["created_at", "model_version", "correct"]


def upgrade() -> None:
    """Widen the index."""
    create_index("ix_feedback_created_at_model_version_correct", "feedback", _COLUMNS)
    drop_index("ix_feedback_created_at", "feedback")


def downgrade() -> None:
    """Narrow it again."""
    create_index("ix_feedback_created_at", "feedback", ["created_at"])
    drop_index("ix_feedback_created_at_model_version_correct", "feedback")
