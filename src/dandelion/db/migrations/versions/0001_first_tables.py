"""Make predictions, feedback, audit_log, api_keys, releases."""

import sqlalchemy as sa

from dandelion.db.changes import create_index, create_table, drop_table
from dandelion.db.tables import Id, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    create_table(
        "api_keys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("revoked_at", Moment),
    )
    create_table(
        "audit_log",
        sa.Column("id", Id, primary_key=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    create_index("audit_log", "action", "id")
    create_index("audit_log", "subject", "id")
    create_table(
        "predictions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("in_distribution", sa.Boolean, nullable=False),
        sa.Column("model_name", sa.String(100), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("track", sa.String(32), nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("photo_key", sa.String(255)),
        sa.Column("client", sa.String(64)),
        sa.Column("verdict", sa.String(5)),
    )
    create_index("predictions", "client", "id")
    create_index("predictions", "confidence", "id")
    create_index("predictions", "label", "id")
    create_index("predictions", "model_version", "id")
    create_index("predictions", "verdict", "id")
    create_table(
        "releases",
        sa.Column("id", Id, primary_key=True),
        sa.Column("model_name", sa.String(100), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("previous_version", sa.String(32)),
        sa.Column("strategy", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    create_index("releases", "state")
    create_table(
        "feedback",
        sa.Column("prediction_id", Id, sa.ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("correct", sa.Boolean, nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )
    create_index("feedback", "created_at")


def downgrade() -> None:
    """Remove them, with what they hold."""
    drop_table("feedback")
    drop_table("releases")
    drop_table("predictions")
    drop_table("audit_log")
    drop_table("api_keys")
