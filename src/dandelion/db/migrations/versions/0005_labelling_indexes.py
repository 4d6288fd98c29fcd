"""Find the photos most worth labelling, and who gave how many labels, by an index."""

from __future__ import annotations

from dandelion.db.changes import create_index, drop_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUEUE = "ix_predictions_verdict_in_distribution_confidence_id"
_LABELLERS = "ix_feedback_actor_created_at"


def upgrade() -> None:
    """Make them."""
    create_index(_QUEUE, "predictions", ["verdict", "in_distribution", "confidence", "id"])
    create_index(_LABELLERS, "feedback", ["actor", "created_at"])


def downgrade() -> None:
    """Remove them."""
    drop_index(_LABELLERS, "feedback")
    drop_index(_QUEUE, "predictions")
