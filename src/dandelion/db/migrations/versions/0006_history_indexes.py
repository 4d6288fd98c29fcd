"""Find rare predictions by an index: photos out of distribution, and a label or a verdict of one version."""

from dandelion.db.changes import create_index, drop_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them."""
    create_index("predictions", "in_distribution", "id")
    create_index("predictions", "model_version", "label", "id")
    create_index("predictions", "model_version", "verdict", "id")


def downgrade() -> None:
    """Remove them."""
    drop_index("predictions", "model_version", "verdict", "id")
    drop_index("predictions", "model_version", "label", "id")
    drop_index("predictions", "in_distribution", "id")
