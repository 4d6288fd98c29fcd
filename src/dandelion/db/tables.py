"""The tables of `mlops_db`, the same on MySQL, MariaDB and SQLite.

Ids are UUIDv7 (RFC 9562), stored as 16 bytes. They sort by time, so the primary key of `predictions` is also its order
in time, and a range of time is a range of ids.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import mysql

from dandelion.domain import LABEL_LENGTH

# Text is compared by its bytes, as in SQLite.
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Id(TypeDecorator[str]):
    """A UUID as text in Python and 16 bytes in the table."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """BINARY on MySQL, so that it can be a key."""
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.BINARY(16))
        return dialect.type_descriptor(LargeBinary(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Text to bytes."""
        return None if value is None else uuid.UUID(value).bytes

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Bytes to text."""
        return None if value is None else str(uuid.UUID(bytes=bytes(value)))


class Moment(TypeDecorator[datetime]):
    """A time in UTC, to the millisecond; naive times are refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Milliseconds on MySQL, whose default is whole seconds."""
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert any zone to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        exact = value.astimezone(UTC)
        return exact.replace(microsecond=exact.microsecond // 1000 * 1000, tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Add the zone, UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


predictions = Table(
    "predictions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("confidence", Double, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("in_distribution", Boolean, nullable=False),
    Column("model_name", String(100), nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("track", String(32), nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("photo_key", String(255)),
    Column("client", String(64)),
    Column("verdict", String(5)),  # right or wrong once there is a label; saves history queries a join
    Index(None, "label", "id"),
    Index(None, "model_version", "id"),
    Index(None, "confidence", "id"),
    Index(None, "model_version", "label", "id"),
    Index(None, "model_version", "verdict", "id"),
    Index(None, "verdict", "id"),
    Index(None, "in_distribution", "id"),
    Index(None, "verdict", "in_distribution", "confidence", "id"),
    Index(None, "client", "id"),
    **MYSQL,
)

feedback = Table(
    "feedback",
    metadata,
    Column("prediction_id", Id, ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("correct", Boolean, nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index(None, "created_at", "model_version", "correct"),
    Index(None, "actor", "created_at"),
    **MYSQL,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(50), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "action", "id"),
    Index(None, "subject", "id"),
    **MYSQL,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    **MYSQL,
)

releases = Table(
    "releases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_name", String(100), nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("previous_version", String(32)),
    Column("strategy", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("reason", Text),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("revision", BigInteger, nullable=False, default=0),
    Index(None, "state"),
    **MYSQL,
)

sketches = Table(
    "sketches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_version", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("photos", Integer, nullable=False),
    Column("sketch", JSON, nullable=False),
    **MYSQL,
)

drift_reports = Table(
    "drift_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_version", String(32), nullable=False),
    Column("photos", Integer, nullable=False),
    Column("features", JSON, nullable=False),
    **MYSQL,
)


retrainings = Table(
    "retrainings",
    metadata,
    Column("id", Id, primary_key=True),  # the flow run's
    Column("asked", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("message", Text),
    Column("dataset", String(64)),
    Column("version", String(32)),
    # 1 while it runs, else NULL: the unique key allows one active row, which is the lock.
    Column("active", Integer, unique=True),
    Column("heartbeat_at", Moment, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("busy_seconds", Double, nullable=False),
    Index(None, "started_at"),
    **MYSQL,
)


def moment_of(prediction_id: str) -> datetime:
    """When a UUIDv7 was created, UTC, to the millisecond."""
    return datetime.fromtimestamp((uuid.UUID(prediction_id).int >> 80) / 1000, UTC)


def first_id(moment: datetime) -> str:
    """The smallest id that could have been created at `moment` or later; smaller ids are older."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(uuid.UUID(int=max(0, min(milliseconds, (1 << 48) - 1)) << 80))
