"""Files of labels are read line by line, whatever is in them."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dandelion.domain import Feedback
from dandelion.errors import FeedbackError, FeedbackFileError
from dandelion.feedback.labels import Kind, read_labels
from dandelion.monitoring.accuracy import seconds_of, wilson

ONE, TWO = "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"


def read(text: str | bytes, kind: Kind = "csv") -> list[tuple[int, Feedback | FeedbackError]]:
    return list(read_labels(text.encode() if isinstance(text, str) else text, kind))


@pytest.mark.parametrize(
    "text",
    [
        f"prediction_id,label\n{ONE},grass\n{TWO},dandelion\n",
        f"\ufeffprediction_id,label\r\n{ONE},grass\r\n{TWO},dandelion",
        f"label;prediction_id;note\ngrass;{ONE};x\ndandelion;{TWO};\n",
        f'Prediction_ID\tLabel\n"{ONE}"\t"grass"\n\n{TWO}\tdandelion\n',
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(text: str) -> None:
    found = [each for _, each in read(text)]
    assert found == [Feedback(prediction_id=ONE, label="grass"), Feedback(prediction_id=TWO, label="dandelion")]


def test_lines_of_json_are_read_and_times_have_a_zone() -> None:
    lines = f'{{"prediction_id": "{ONE}", "label": "grass", "at": "2026-05-01T12:00:00"}}\n\n'
    assert read(lines, "jsonl") == [
        (1, Feedback(prediction_id=ONE, label="grass", at=datetime(2026, 5, 1, 12, tzinfo=UTC)))
    ]


def test_a_time_of_any_zone_becomes_one_in_utc() -> None:
    ((_, found),) = read(f'{{"prediction_id": "{ONE}", "label": "grass", "at": "2026-05-01T12:00:00+02:00"}}', "jsonl")
    assert isinstance(found, Feedback)
    assert found.at is not None
    assert (found.at, found.at.tzinfo) == (datetime(2026, 5, 1, 10, tzinfo=UTC), UTC)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00"])
def test_a_time_that_utc_does_not_have_is_named_and_spoils_no_other(at: str) -> None:
    (_, bad), (_, good) = read(f"prediction_id,label,at\n{ONE},grass,{at}\n{TWO},grass,\n")
    assert isinstance(bad, FeedbackError)
    assert "outside the years 1 to 9999" in str(bad)
    assert isinstance(good, Feedback)


def test_a_bad_line_is_named_and_spoils_no_other() -> None:
    text = (
        f"prediction_id,label,at\n7,grass,\n{ONE},grass,\n{ONE},,\n{ONE},{'x' * 101},\n{ONE},grass,soon\n{ONE},a,b,c\n"
    )
    found = read(text)
    assert [(line, isinstance(each, Feedback)) for line, each in found] == [
        (2, False), (3, True), (4, False), (5, False), (6, False), (7, False),
    ]  # fmt: skip
    lines = f'{{"prediction_id": "{ONE}"}}\nnonsense\n[]\n{{"prediction_id": "{ONE}", "label": "grass"}}\n'
    assert [isinstance(each, Feedback) for _, each in read(lines, "jsonl")] == [False, False, False, True]


@pytest.mark.parametrize(
    ("bad", "columns"),
    [
        (f'{ONE},"grass', "prediction_id,label"),
        (f'"{ONE},grass', "prediction_id,label"),
        (f'{ONE},grass,"2026-05-01', "prediction_id,label,at"),
        (f'{ONE},grass,"a note', "prediction_id,label,note"),
        (f'"a note,{ONE},grass', "note,prediction_id,label"),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'], ids=["no quote follows", "quotes follow"])
def test_a_quote_that_is_not_closed_spoils_its_line_only(bad: str, columns: str, quote: str) -> None:
    told = {"prediction_id": TWO, "label": "grass"}
    good = ",".join(f"{quote}{told.get(name, '')}{quote}" for name in columns.split(","))
    (number, first), *others = read("\n".join([columns, bad, good, good]))
    assert (number, "not closed" in str(first)) == (2, True)
    assert others == [(line, Feedback(prediction_id=TWO, label="grass")) for line in (3, 4)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_notes_may_have_line_breaks_and_lines_are_counted_as_an_editor_does(end: str) -> None:
    lines = [
        '"what it',
        'was",prediction_id,label,why',
        '"seen ""here""',
        '',
        f'and there",{ONE},grass,"for',
        '"',
        'x,7,grass,',
        f',{TWO},grass,',
    ]  # fmt: skip
    found = read(end.join(lines))
    assert [(line, isinstance(each, Feedback)) for line, each in found] == [(3, True), (7, False), (8, True)]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("prediction_id,label", f'{ONE},"grass'),
        ("note,prediction_id,label", f'x,{ONE},"grass'),
        ("prediction_id,label,note", f'{ONE},grass,"'),
        ("prediction_id," + "note," * 50_000 + "label", f'{ONE}",y,"z'),
    ],
    ids=["label", "behind a note", "note", "many columns"],
)
def test_a_file_of_open_quotes_takes_no_longer_than_its_length(header: str, line: str) -> None:
    begin = time.process_time()
    assert len(read(f"{header}\n" + f"{line}\n" * 50_000)) >= 25_000
    assert time.process_time() - begin < 20  # minutes if each line had the rest of the file read


def test_a_line_nested_without_end_is_named_and_spoils_no_other() -> None:
    deep = 100_000
    lines = f'{"[" * deep}{"]" * deep}\n{{"prediction_id": "{ONE}", "label": "grass"}}\n'
    (first, bad), (second, good) = read(lines, "jsonl")
    assert (first, second) == (1, 2)
    assert isinstance(bad, FeedbackError)
    assert good == Feedback(prediction_id=ONE, label="grass")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"id,class\n1,2\n", "label, prediction_id"),
        pytest.param(b"prediction_id,label," + b"x" * 200_000, "first line", id="a column's name without end"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data: bytes, said: str) -> None:
    with pytest.raises(FeedbackFileError, match=said):
        read(data)


@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl"]))
def test_whatever_the_bytes_are_nothing_breaks(data: bytes, kind: Kind) -> None:
    for content in (data, b"prediction_id,label\n" + data):
        with contextlib.suppress(FeedbackFileError):
            read(content, kind)


def test_an_interval_is_wide_for_few_and_narrow_for_many() -> None:
    assert wilson(1, 1) == pytest.approx((0.2065, 1.0), abs=1e-3)
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-3)  # as published tables have it
    assert wilson(0, 10)[0] == 0.0


def test_windows_are_read() -> None:
    assert [seconds_of(window) for window in ("30m", "24h", "7d")] == [1800, 86400, 604800]
