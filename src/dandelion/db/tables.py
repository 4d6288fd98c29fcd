"""The tables of `mlops_db`, the same on MySQL, MariaDB and SQLite.

Ids are UUIDv7 (RFC 9562), stored as 16 bytes. They sort by time, so the primary key of `predictions` is also its order
in time, and a range of time is a range of ids.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.schema import SchemaItem

from dandelion.domain import LABEL_LENGTH

# Text is compared by its bytes, as in SQLite.
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Id(sa.TypeDecorator[str]):
    """A UUID as text in Python and 16 bytes in the table."""

    impl = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql")  # which can be a key there
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        """Text to bytes."""
        return None if value is None else uuid.UUID(value).bytes

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        """Bytes to text."""
        return None if value is None else str(uuid.UUID(bytes=bytes(value)))


class Moment(sa.TypeDecorator[datetime]):
    """A time in UTC, to the millisecond; naive times are refused."""

    impl = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql")  # whose default is whole seconds
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Convert any zone to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        exact = value.astimezone(UTC)
        return exact.replace(microsecond=exact.microsecond // 1000 * 1000, tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Add the zone, UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def _table(name: str, *items: SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *items, **MYSQL)


predictions = _table(
    "predictions",
    sa.Column("id", Id, primary_key=True),
    sa.Column("label", sa.String(LABEL_LENGTH), nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("probabilities", sa.JSON, nullable=False),
    sa.Column("in_distribution", sa.Boolean, nullable=False),
    sa.Column("model_name", sa.String(100), nullable=False),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("track", sa.String(32), nullable=False),
    sa.Column("duration_ms", sa.Double, nullable=False),
    sa.Column("photo_key", sa.String(255)),
    sa.Column("client", sa.String(64)),
    sa.Column("verdict", sa.String(5)),  # right or wrong once there is a label; saves history queries a join
    sa.Index(None, "label", "id"),
    sa.Index(None, "model_version", "id"),
    sa.Index(None, "confidence", "id"),
    sa.Index(None, "model_version", "label", "id"),
    sa.Index(None, "model_version", "verdict", "id"),
    sa.Index(None, "verdict", "id"),
    sa.Index(None, "in_distribution", "id"),
    sa.Index(None, "verdict", "in_distribution", "confidence", "id"),
    sa.Index(None, "client", "id"),
)

feedback = _table(
    "feedback",
    sa.Column("prediction_id", Id, sa.ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("label", sa.String(LABEL_LENGTH), nullable=False),
    sa.Column("correct", sa.Boolean, nullable=False),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(None, "created_at", "model_version", "correct"),
    sa.Index(None, "actor", "created_at"),
)

audit_log = _table(
    "audit_log",
    sa.Column("id", Id, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("action", sa.String(50), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index(None, "action", "id"),
    sa.Index(None, "subject", "id"),
)

api_keys = _table(
    "api_keys",
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("revoked_at", Moment),
)

releases = _table(
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
    sa.Column("revision", sa.BigInteger, nullable=False, default=0),
    sa.Index(None, "state"),
)

sketches = _table(
    "sketches",
    sa.Column("id", Id, primary_key=True),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("photos", sa.Integer, nullable=False),
    sa.Column("sketch", sa.JSON, nullable=False),
)

drift_reports = _table(
    "drift_reports",
    sa.Column("id", Id, primary_key=True),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("photos", sa.Integer, nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
)

retrainings = _table(
    "retrainings",
    sa.Column("id", Id, primary_key=True),  # the flow run's
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("message", sa.Text),
    sa.Column("dataset", sa.String(64)),
    sa.Column("version", sa.String(32)),
    # 1 while it runs, else NULL: the unique key allows one active row, which is the lock.
    sa.Column("active", sa.Integer, unique=True),
    sa.Column("heartbeat_at", Moment, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("busy_seconds", sa.Double, nullable=False),
    sa.Index(None, "started_at"),
)


def moment_of(prediction_id: str) -> datetime:
    """When a UUIDv7 was created, UTC, to the millisecond."""
    return datetime.fromtimestamp((uuid.UUID(prediction_id).int >> 80) / 1000, UTC)


def first_id(moment: datetime) -> str:
    """The smallest id that could have been created at `moment` or later; smaller ids are older."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(uuid.UUID(int=max(0, min(milliseconds, (1 << 48) - 1)) << 80))
