"""Find the photos most worth labelling, and who gave how many labels, by an index."""

from dandelion.db.changes import create_index, drop_index

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make them."""
    create_index("predictions", "verdict", "in_distribution", "confidence", "id")
    create_index("feedback", "actor", "created_at")


def downgrade() -> None:
    """Remove them."""
    drop_index("feedback", "actor", "created_at")
    drop_index("predictions", "verdict", "in_distribution", "confidence", "id")
