"""Find rare predictions by an index: photos out of distribution, and a label or a verdict of one version."""

from __future__ import annotations

from dandelion.db.changes import create_index, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    ["in_distribution", "id"],
    ["model_version", "label", "id"],
    ["model_version", "verdict", "id"],
)


def upgrade() -> None:
    """Make them."""
    for columns in _COLUMNS:
        create_index(f"ix_predictions_{'_'.join(columns)}", "predictions", columns)


def downgrade() -> None:
    """Remove them."""
    for columns in reversed(_COLUMNS):
        drop_index(f"ix_predictions_{'_'.join(columns)}", "predictions")
