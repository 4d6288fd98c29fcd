"""The spool: nothing that was kept is lost, and nothing is kept by halves."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dandelion.journal.spool import Spool


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read(spool: Spool, path: Path) -> bytes | None:
    with spool.take(path) as data:
        return data


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(6):
        spool.append(f"{number}\n".encode())
        if number % 2:
            spool.rotate()
    assert b"".join(read(spool, path) or b"" for path in spool.segments()) == b"0\n1\n2\n3\n4\n5\n"
    assert spool.size() == 12


def test_a_full_disk_keeps_whole_lines_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"first line\n")
    with largest_file(20), pytest.raises(OSError, match="large"):
        spool.append(b"a line that does not fit any more\n")
    spool.append(b"third\n")
    spool.rotate()
    assert read(spool, spool.segments()[0]) == b"first line\nthird\n"


def test_a_segment_that_another_process_writes_to_is_left_alone(tmp_path: Path) -> None:
    writer, reader = Spool(tmp_path), Spool(tmp_path)
    writer.append(b"mine\n")
    assert read(reader, reader.segments()[0]) is None
    writer.rotate()
    assert read(reader, reader.segments()[0]) == b"mine\n"


def test_a_segment_that_vanished_is_nothing(tmp_path: Path) -> None:
    assert read(Spool(tmp_path), tmp_path / "gone.jsonl") is None
