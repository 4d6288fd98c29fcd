"""The spool: nothing that was kept is lost, and nothing is kept by halves."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import time
from collections.abc import Callable, Iterator
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


def failing(number: int) -> Callable[..., None]:
    """A system call that does nothing but fail."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


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


def test_nobody_removes_a_segment_between_its_making_and_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, other = Spool(tmp_path), Spool(tmp_path)
    lock = fcntl.flock

    def lock_after_another_looked(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        for path in other.segments():
            if read(other, path) is not None:
                other.remove(path)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_after_another_looked)
    writer.append(b"answered\n")
    writer.rotate()
    assert [read(other, path) for path in other.segments()] == [b"answered\n"]


def test_a_segment_that_cannot_be_locked_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", failing(errno.ENOLCK))
        before = open_files()
        with pytest.raises(OSError, match="No locks"):
            spool.append(b"refused\n")
        assert open_files() == before
    assert list(tmp_path.iterdir()) == []
    spool.append(b"kept\n")
    assert spool.size() == 5


def test_what_a_kill_left_without_a_lock_is_removed_when_it_is_old(tmp_path: Path) -> None:
    left, fresh = tmp_path / "left.part", tmp_path / "fresh.part"
    for path in (left, fresh):
        path.touch()
    os.utime(left, (time.time() - 7200,) * 2)
    spool = Spool(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh]
    assert spool.segments() == []


def test_a_segment_is_opened_for_writing_since_nfs_locks_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(b"kept\n")
    spool.rotate()
    lock = fcntl.flock

    def lock_as_nfs_does(descriptor: int, how: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_as_nfs_does)
    assert read(spool, spool.segments()[0]) == b"kept\n"


def test_a_segment_that_the_disk_does_not_lock_holds_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(b"kept\n")
    spool.rotate()
    (path,) = spool.segments()
    before = open_files()
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with pytest.raises(OSError, match="No locks"):
        read(spool, path)
    assert open_files() == before


def test_a_segment_that_another_shipped_while_it_was_opened_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, other = Spool(tmp_path), Spool(tmp_path)
    spool.append(b"kept\n")
    spool.rotate()
    (path,) = spool.segments()
    lock = fcntl.flock

    def lock_after_another_shipped(descriptor: int, how: int) -> None:
        other.remove(path)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_after_another_shipped)
    assert read(spool, path) is None


def test_nothing_is_written_into_a_file_that_got_the_number_of_one_that_failed_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(b"first\n")
    close = os.close

    def close_and_fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", close_and_fail)
        with pytest.raises(OSError, match="Input/output"):
            spool.rotate()
    with (tmp_path / "somebody's").open("wb"):
        spool.append(b"second\n")
    assert (tmp_path / "somebody's").read_bytes() == b""
    spool.rotate()
    assert [read(spool, path) for path in spool.segments()] == [b"first\n", b"second\n"]


def test_no_line_is_glued_to_half_of_another_that_could_not_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(b"first line\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", failing(errno.EIO))
        with largest_file(20), pytest.raises(OSError, match="large"):
            spool.append(b"a line that does not fit any more\n")
    spool.append(b"third\n")
    spool.rotate()
    assert [read(spool, path) for path in spool.segments()] == [b"first line\na line th", b"third\n"]


def test_lines_are_set_aside_whole_or_not_at_all(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.set_aside(b"first line\n")
    with largest_file(20), pytest.raises(OSError, match="large"):
        spool.set_aside(b"a line that does not fit any more\n")
    spool.set_aside(b"third\n")
    assert (tmp_path / "refused.jsonl.kept").read_bytes() == b"first line\nthird\n"
