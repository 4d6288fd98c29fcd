"""Label files: CSV, or one JSON object per line. Good lines are stored even if others are bad."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.concurrency.patience import COMMAND_PATIENCE_SECONDS
from dandelion.db import feedback, transact
from dandelion.db.arrivals import wait_for_arrival
from dandelion.db.tables import moment_of
from dandelion.domain import LABEL_LENGTH, BulkVerdict, Feedback, RefusedLine, class_name
from dandelion.errors import DandelionError, FeedbackError, FeedbackFileError
from dandelion.telemetry import instruments

Kind = Literal["csv", "jsonl"]
AT_ONCE = 500
MOST_REFUSED_SHOWN = 100
_EXAMPLE = "The first line of a CSV names the columns: prediction_id,label and, optionally, at."


class Line(msgspec.Struct, kw_only=True):
    """One label.

    Attributes:
        prediction_id: The id in the response.
        label: The true class.
        at: When it was given; by default now, and in UTC.
    """

    prediction_id: UUID
    label: Annotated[str, msgspec.Meta(min_length=1, extra_json_schema={"maxLength": LABEL_LENGTH})]
    at: datetime | None = None

    def __post_init__(self) -> None:
        self.label = class_name(self.label)
        if len(self.label) > LABEL_LENGTH:  # as it is stored, so not before it is normalised
            raise ValueError(f"The label has {len(self.label)} characters; the limit is {LABEL_LENGTH}.")

    def as_feedback(self) -> Feedback:
        """Convert it to what is stored.

        Raises:
            FeedbackError: The time is outside the years 1 to 9999 in UTC.
        """
        at = self.at.replace(tzinfo=UTC) if self.at is not None and self.at.tzinfo is None else self.at
        try:
            given_at = None if at is None else at.astimezone(UTC)
        except OverflowError as error:
            raise FeedbackError(f"{at} is outside the years 1 to 9999 in UTC.", "Check the clock.") from error
        return Feedback(prediction_id=str(self.prediction_id), label=self.label, at=given_at)


def read_labels(data: bytes, kind: Kind) -> Iterator[tuple[int, Feedback | FeedbackError]]:
    """Yield line numbers, from 1, with the label on that line or its error; empty lines are skipped.

    Raises:
        FeedbackFileError: The file as a whole cannot be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedbackFileError(f"The file is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error
    if not text.strip():
        raise FeedbackFileError("The file is empty.", _EXAMPLE)
    return _read_csv(text) if kind == "csv" else _read_lines(text)


async def store_labels(
    engine: AsyncEngine, labels: Iterator[tuple[int, Feedback | FeedbackError]], *, actor: str, ship_seconds: float
) -> BulkVerdict:
    """Store the good lines, several hundred per transaction, and report the others.

    Args:
        engine: The database of the predictions.
        labels: Line numbers with the label or the error of that line.
        actor: Who gives the labels, for the audit log.
        ship_seconds: How long a new prediction may take to reach the database; its label waits for it.

    Raises:
        FeedbackFileError: The file as a whole cannot be read.
        DatabaseError: The database stopped answering; the same file may be sent again.
    """
    right = wrong = refused = 0
    shown: list[RefusedLine] = []
    # In a thread: a file may have millions of empty lines, and other requests wait.
    while lines := await asyncio.to_thread(lambda: list(islice(labels, AT_ONCE))):
        outcomes = await _give(engine, [found for _, found in lines], actor, ship_seconds)
        for (number, _), outcome in zip(lines, outcomes, strict=True):
            if isinstance(outcome, DandelionError):
                refused += 1
                if len(shown) < MOST_REFUSED_SHOWN:
                    shown.append(RefusedLine(line=number, reason=str(outcome)))
            elif outcome:
                right += 1
            else:
                wrong += 1
    return BulkVerdict(right=right, wrong=wrong, refused=refused, refused_lines=shown)


async def _give(
    engine: AsyncEngine, found: Sequence[Feedback | FeedbackError], actor: str, ship_seconds: float
) -> list[bool | DandelionError]:
    labels = [each for each in found if isinstance(each, Feedback)]
    if not labels:
        return [each for each in found if isinstance(each, FeedbackError)]
    about = [each.prediction_id for each in labels]
    await wait_for_arrival(engine, about, ship_seconds=ship_seconds, patience_seconds=COMMAND_PATIENCE_SECONDS)
    given = await transact(
        engine, lambda on: feedback.give_all(on, labels, actor=actor), patience_seconds=COMMAND_PATIENCE_SECONDS
    )
    for each, outcome in zip(labels, given, strict=True):
        if not isinstance(outcome, DandelionError):
            observe_lag(each)
    outcomes = iter(given)
    return [each if isinstance(each, FeedbackError) else next(outcomes) for each in found]


def _read_csv(text: str) -> Iterator[tuple[int, Feedback | FeedbackError]]:
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(reader)]
    except csv.Error as error:
        raise FeedbackFileError(f"The first line is not valid CSV ({error}).", _EXAMPLE) from error
    if missing := {"prediction_id", "label"} - set(names):
        raise FeedbackFileError(f"The columns {', '.join(sorted(missing))} are missing.", _EXAMPLE)
    for number, row in _read_rows(lines, reader.line_num, names, delimiter):
        if isinstance(row, FeedbackError):
            yield number, row
        elif len(row) > len(names):
            yield number, FeedbackError(f"There are {len(row)} fields for {len(names)} columns.")
        elif any(field.strip() for field in row):
            yield number, _label({k: v.strip() for k, v in zip(names, row, strict=False) if v.strip()})


def _read_rows(
    lines: io.StringIO, number: int, names: Sequence[str], delimiter: str
) -> Iterator[tuple[int, list[str] | FeedbackError]]:
    """Yield rows with the number of their first line; `number` lines were read before.

    In columns that we do not read, a quoted field may span several lines. If its closing quote is missing or misplaced,
    the line is refused, and the lines after it are read on their own.
    """
    seen = 0
    while line := lines.readline():
        number += 1
        after, more = lines.tell(), 0
        try:
            row, is_open = _split(line, delimiter)
        except csv.Error as error:
            yield number, FeedbackError(f"This line is not valid CSV ({error}).")
            continue
        if is_open:
            if after >= seen:  # never read the same lines twice: many open quotes would take forever
                more = _read_on(lines, row, names, delimiter)
                seen = lines.tell()
            if not more:
                yield number, FeedbackError("A quote on this line is not closed.", "Close it, or remove it.")
                lines.seek(after)
                continue
        yield number, row
        number += more


def _read_on(lines: io.StringIO, row: list[str], names: Sequence[str], delimiter: str) -> int:
    """Read on until the last field of `row` ends; return the number of lines read, 0 if the field does not end."""
    taken, is_open = 0, True
    while is_open:
        is_ours = len(row) > len(names) or names[len(row) - 1] in Line.__struct_fields__
        if is_ours or not (line := lines.readline()):
            return 0
        try:
            more, is_open = _split(f'"{line}', delimiter, strict=True)
        except csv.Error:
            return 0
        row[-1:] = more
        taken += 1
    return taken


def _split(line: str, delimiter: str, *, strict: bool = False) -> tuple[list[str], bool]:
    """The fields of a line, and whether the last one is a quote that the line does not close."""
    reader = csv.reader([line, '"'], delimiter=delimiter, strict=strict)
    return next(reader), reader.line_num > 1


def _read_lines(text: str) -> Iterator[tuple[int, Feedback | FeedbackError]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            try:
                yield number, _label(msgspec.json.decode(line))
            except (msgspec.DecodeError, RecursionError) as error:
                yield number, FeedbackError(f"This line is not valid JSON ({error}).")


def observe_lag(label: Feedback) -> None:
    """Measure the time from a prediction to its label."""
    given_at = label.at or datetime.now(UTC)
    instruments.FEEDBACK_LAG.observe(max(0.0, (given_at - moment_of(label.prediction_id)).total_seconds()))


def _label(fields: object) -> Feedback | FeedbackError:
    try:
        return msgspec.convert(fields, Line).as_feedback()
    except FeedbackError as error:
        return error
    except (msgspec.ValidationError, OverflowError) as error:
        return FeedbackError(f"This line cannot be read ({error}).")
