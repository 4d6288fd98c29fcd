"""The history of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Boolean, Row, Select, TextClause, bindparam, case, delete, func, or_, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db.engine import code_of
from dandelion.db.tables import feedback, first_id, moment_of, predictions
from dandelion.domain import JournalEntry, StoredPrediction

MAX_PAGE = 500
MAX_COUNTED = 1000
_NO_SUCH_INDEX = 1176
# In place of a photo's key: the photo was erased, and none may be stored after it.
ERASED = "erased"

_COLUMNS = (
    *("id", "label", "confidence", "probabilities", "in_distribution"),
    *("model_name", "model_version", "track", "duration_ms", "client"),
)


def _insert(unless_there: str) -> TextClause:
    names = ", ".join(_COLUMNS)
    values = ", ".join(f":{name}" for name in _COLUMNS)
    statement = text(f"INSERT INTO predictions ({names}) VALUES ({values}) {unless_there}")  # noqa: S608 -- our names
    return statement.bindparams(*(bindparam(name, type_=predictions.c[name].type) for name in _COLUMNS))


# As text: aiomysql joins many rows into one statement only if it recognises the form, which SQLAlchemy's own construct
# does not have. That is 20 times faster. IGNORE would be shorter, but would truncate values that do not fit.
_INSERTS = {
    "mysql": _insert("ON DUPLICATE KEY UPDATE id = id"),
    "sqlite": _insert("ON CONFLICT DO NOTHING"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which predictions to find, by what a `StoredPrediction` holds; None matches all.

    `since` is inclusive and `until` exclusive; the verdict is `unknown` without a label.
    """

    since: datetime | None = None
    until: datetime | None = None
    label: str | None = None
    version: str | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    verdict: Literal["right", "wrong", "unknown"] | None = None
    in_distribution: bool | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """How many predictions a period had, and how many of them are out of distribution, labelled, and right.

    `confidence` is their mean confidence; 0 without predictions.
    """

    photos: int
    strange: int
    confidence: float
    labelled: int
    right: int


async def summarise(connection: AsyncConnection, since: datetime, until: datetime) -> Summary:
    """Summarise the predictions of a period."""
    table = predictions.c

    def share(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    columns = (
        func.count(),
        share(is_in_distribution(False)),
        func.coalesce(func.avg(table.confidence), 0.0),
        share(table.verdict.is_not(None)),
        share(table.verdict == "right"),
    )
    query = select(*columns).where(table.id >= first_id(since), table.id < first_id(until))
    photos, strange, confidence, labelled, right = (await connection.execute(query)).one()
    return Summary(int(photos), int(strange), float(confidence), int(labelled), int(right))


async def add(connection: AsyncConnection, entries: Sequence[JournalEntry]) -> None:
    """Store predictions. Those that are already stored do not change, so a batch may be sent again."""
    await connection.execute(_INSERTS[connection.dialect.name], [_row(entry) for entry in entries])


async def find(connection: AsyncConnection, prediction_id: str) -> StoredPrediction | None:
    """One prediction, or None."""
    row = (await connection.execute(_with_label().where(predictions.c.id == prediction_id))).one_or_none()
    return None if row is None else stored(row)


async def known(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that are stored."""
    return set((await connection.scalars(select(predictions.c.id).where(predictions.c.id.in_(ids)))).all())


async def page(
    connection: AsyncConnection, wanted: Filter, *, before: str | None = None, limit: int = 50
) -> list[StoredPrediction]:
    """Up to `limit` predictions, but no more than `MAX_PAGE`, newest first; `before` is the previous page's last id."""
    query = _with_label().where(*_conditions(wanted))
    if before is not None:
        query = query.where(predictions.c.id < before)
    query = query.order_by(predictions.c.id.desc()).limit(min(limit, MAX_PAGE))
    indexes = _indexes(wanted)
    # Else MySQL may scan the primary key backwards past all rows that do not match.
    hinted = query.with_hint(predictions, f"USE INDEX ({', '.join(indexes)})", "mysql") if indexes else query
    try:
        rows = await connection.execute(hinted)
    except OperationalError as error:
        if code_of(error) != _NO_SUCH_INDEX:
            raise
        # During an upgrade, pods run before the migration has created the index; until then MySQL chooses for itself.
        rows = await connection.execute(query)
    return [stored(row) for row in rows]


async def walk(connection: AsyncConnection, wanted: Filter, *, after: str | None, limit: int) -> list[StoredPrediction]:
    """Predictions, oldest first, for callers that read all of them; `after` is the last id of the previous call."""
    query = _with_label().where(*_conditions(wanted))
    if after is not None:
        query = query.where(predictions.c.id > after)
    rows = await connection.execute(query.order_by(predictions.c.id).limit(limit))
    return [stored(row) for row in rows]


@dataclass(frozen=True, slots=True)
class TrafficSample:
    """How many photos a model classified in a period, and how many of them are out of distribution.

    `p95_ms` is the 95th percentile of the latest predictions' duration; None without predictions.
    """

    photos: int
    outliers: int
    p95_ms: float | None


async def traffic(connection: AsyncConnection, since: datetime, version: str, *, sample: int = 10_000) -> TrafficSample:
    """The predictions of a version since a time; durations are from its last `sample` predictions."""
    those = (predictions.c.model_version == version, predictions.c.id >= first_id(since))
    photos = int(await connection.scalar(select(func.count()).where(*those)) or 0)
    outlying = select(func.count()).where(*those, is_in_distribution(False))
    outliers = int(await connection.scalar(outlying) or 0)
    latest = select(predictions.c.duration_ms).where(*those).order_by(predictions.c.id.desc()).limit(sample)
    times = sorted((await connection.scalars(latest)).all())
    return TrafficSample(photos, outliers, times[int(0.95 * (len(times) - 1))] if times else None)


async def unlabelled(connection: AsyncConnection, since: datetime, *, limit: int) -> list[StoredPrediction]:
    """Unlabelled predictions since a time whose photo is stored.

    Up to `limit` that are out of distribution, then up to `limit` others; the least confident of each first.
    """
    found: list[StoredPrediction] = []
    for known in (False, True):
        # Equality first, then the wanted order: one scan along an index, which stops at the limit.
        query = select(predictions).where(*_unlabelled(since), is_in_distribution(known))
        rows = await connection.execute(query.order_by(predictions.c.confidence, predictions.c.id).limit(limit))
        found += [stored(row) for row in rows]
    return found


async def count_unlabelled(connection: AsyncConnection, since: datetime) -> int:
    """The number of such predictions, up to `MAX_COUNTED`."""
    some = select(predictions.c.id).where(*_unlabelled(since)).limit(MAX_COUNTED).subquery()
    return int(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def prune(connection: AsyncConnection, older_than: datetime, *, limit: int) -> int:
    """Delete up to `limit` predictions from before a time, oldest first, with their feedback; return how many."""
    oldest = select(predictions.c.id).where(predictions.c.id < first_id(older_than)).order_by(predictions.c.id)
    ids = (await connection.scalars(oldest.limit(limit))).all()
    if ids:
        # All ids up to the last one: a range takes one scan along the key.
        await connection.execute(delete(predictions).where(predictions.c.id <= ids[-1]))
    return len(ids)


async def photo_keys(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str | None]:
    """Id to photo key, or to `ERASED`, for those of `ids` that are stored."""
    rows = await connection.execute(select(predictions.c.id, predictions.c.photo_key).where(predictions.c.id.in_(ids)))
    return {row.id: row.photo_key for row in rows}


async def photo_keys_of(connection: AsyncConnection, client: str, *, limit: int) -> dict[str, str | None]:
    """Id to photo key, or to `ERASED`, for up to `limit` predictions of a client, oldest first."""
    query = select(predictions.c.id, predictions.c.photo_key).where(predictions.c.client == client)
    rows = await connection.execute(query.order_by(predictions.c.id).limit(limit))
    return {row.id: row.photo_key for row in rows}


async def place_photos(connection: AsyncConnection, keys: Mapping[str, str]) -> set[str]:
    """Write the keys of photos; return the ids of those predictions that are stored and were not erased."""
    # The update itself checks for an erasure: SQLite takes no lock for a read, so an erasure could come between a read
    # and the update. In the order of ids, in which erasures lock rows, too.
    table = predictions.c
    is_free = or_(table.photo_key.is_(None), table.photo_key != ERASED)
    statement = update(predictions).where(table.id == bindparam("of"), is_free)
    given = [{"of": each, "key": keys[each]} for each in sorted(keys)]
    await connection.execute(statement.values(photo_key=bindparam("key")), given)
    placed = await photo_keys(connection, list(keys))
    return {each for each, key in placed.items() if key == keys[each]}


async def mark_erased(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Mark the photos of these predictions as erased, so that none is stored any more."""
    await connection.execute(update(predictions).where(predictions.c.id.in_(ids)).values(photo_key=ERASED))


async def forget_clients(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Remove the clients of these predictions."""
    await connection.execute(update(predictions).where(predictions.c.id.in_(ids)).values(client=None))


def _unlabelled(since: datetime) -> list[Any]:
    table = predictions.c
    is_stored = (table.photo_key.is_not(None), table.photo_key != ERASED)
    return [table.verdict.is_(None), table.id >= first_id(since), *is_stored]


def _row(entry: JournalEntry) -> dict[str, object]:
    given = entry.prediction
    return {
        "id": given.prediction_id,
        "label": given.label,
        "confidence": given.confidence,
        "probabilities": given.probabilities,
        "in_distribution": given.in_distribution,
        "model_name": given.model.name,
        "model_version": given.model.version,
        "track": entry.track,
        "duration_ms": given.duration_ms,
        "client": entry.client,
    }


def _with_label() -> Select[Any]:
    # A subquery for the rows of the page, not a join: MySQL hash-joined all rows before it sorted and limited them.
    true_label = select(feedback.c.label).where(feedback.c.prediction_id == predictions.c.id).scalar_subquery()
    return select(predictions, true_label.label("true_label"))


def is_in_distribution(known: bool) -> Any:
    """The condition that a photo is in distribution, or out of it; not with `IS`, for which MySQL uses no index."""
    return predictions.c.in_distribution == bindparam(None, known, Boolean)


_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "since": lambda since: predictions.c.id >= first_id(since),
    "until": lambda until: predictions.c.id < first_id(until),
    "label": lambda label: predictions.c.label == label,
    "version": lambda version: predictions.c.model_version == version,
    "min_confidence": lambda least: predictions.c.confidence >= least,
    "max_confidence": lambda most: predictions.c.confidence <= most,
    "verdict": lambda verdict: predictions.c.verdict == (None if verdict == "unknown" else verdict),
    "in_distribution": is_in_distribution,
}


def _conditions(wanted: Filter) -> list[Any]:
    values = {name: getattr(wanted, name) for name in _CONDITIONS}
    return [_CONDITIONS[name](value) for name, value in values.items() if value is not None]


def _indexes(wanted: Filter) -> list[str]:
    """The indexes that MySQL may choose from: on columns with a single value, then the id, in the page's order."""
    # A version served for a limited time; an index on the label alone also has the rows of all other times.
    version = "model_version_" if wanted.version is not None else ""
    found = []
    if wanted.label is not None:
        found.append(f"{version}label")
    if wanted.verdict is not None:
        found.append(f"{version}verdict")
    if version and not found:
        found.append("model_version")
    if wanted.in_distribution is False:
        found.append("in_distribution")
    if found and (wanted.min_confidence, wanted.max_confidence) != (None, None):
        found.append("confidence")  # the range may match few rows: sorting them is quicker than searching the others
    return [f"ix_predictions_{columns}_id" for columns in found]


def stored(row: Row[Any]) -> StoredPrediction:
    """A row of the table as a prediction; without its label if the query did not select it."""
    return StoredPrediction(
        prediction_id=row.id,
        created_at=moment_of(row.id),
        label=row.label,
        confidence=row.confidence,
        probabilities=row.probabilities,
        in_distribution=row.in_distribution,
        model_name=row.model_name,
        model_version=row.model_version,
        track=row.track,
        duration_ms=row.duration_ms,
        photo_key=None if row.photo_key == ERASED else row.photo_key,
        true_label=getattr(row, "true_label", None),
        verdict=row.verdict,
    )
