"""Make predictions, feedback, audit_log, api_keys, releases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dandelion.db.changes import create_index, create_table, drop_table
from dandelion.db.tables import MYSQL, Id, Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    create_table(
        "api_keys",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
        **MYSQL,
    )
    create_table(
        "audit_log",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        **MYSQL,
    )
    create_index("ix_audit_log_action_id", "audit_log", ["action", "id"])
    create_index("ix_audit_log_subject_id", "audit_log", ["subject", "id"])
    create_table(
        "predictions",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        sa.Column("in_distribution", sa.Boolean(), nullable=False),
        sa.Column("model_name", sa.String(length=100), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("track", sa.String(length=32), nullable=False),
        sa.Column("duration_ms", sa.Double(), nullable=False),
        sa.Column("photo_key", sa.String(length=255), nullable=True),
        sa.Column("client", sa.String(length=64), nullable=True),
        sa.Column("verdict", sa.String(length=5), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_predictions")),
        **MYSQL,
    )
    create_index("ix_predictions_client_id", "predictions", ["client", "id"])
    create_index("ix_predictions_confidence_id", "predictions", ["confidence", "id"])
    create_index("ix_predictions_label_id", "predictions", ["label", "id"])
    create_index("ix_predictions_model_version_id", "predictions", ["model_version", "id"])
    create_index("ix_predictions_verdict_id", "predictions", ["verdict", "id"])
    create_table(
        "releases",
        sa.Column("id", Id(length=16), nullable=False),
        sa.Column("model_name", sa.String(length=100), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("previous_version", sa.String(length=32), nullable=True),
        sa.Column("strategy", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        **MYSQL,
    )
    create_index("ix_releases_state", "releases", ["state"])
    create_table(
        "feedback",
        sa.Column("prediction_id", Id(length=16), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.id"], name=op.f("fk_feedback_prediction_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_feedback")),
        **MYSQL,
    )
    create_index("ix_feedback_created_at", "feedback", ["created_at"])


def downgrade() -> None:
    """Remove them, with what they hold."""
    drop_table("feedback")
    drop_table("releases")
    drop_table("predictions")
    drop_table("audit_log")
    drop_table("api_keys")
