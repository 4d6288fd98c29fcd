"""The tests against one fault."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutations.copy import Copy
from tests.mutations.faults import Fault
from tests.mutations.reach import Reach
from tests.mutations.suites import suites_of
from tests.mutations.witness import COPY, NOTES, WRONG_COPY

LIMIT_SECONDS = 90.0
# Most faults are found by the first tests. Together they take this long when nothing is wrong, so that a run at the
# limit is mostly one that hangs.
QUICK_SECONDS = 20.0
SLOW_SECONDS = 45.0
END_SECONDS = 20.0
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    Attributes:
        found_by: The test that failed or hung; none if the fault survived.
        remark: What else there is to know.
        seconds: How long it took.
    """

    found_by: str | None
    remark: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Run:
    status: int | None  # None: stopped at the limit
    failed: str | None
    running: str | None
    output: str


class Trial:
    """Runs tests against a copy of the product.

    Args:
        root: The repository.
        copy: Where the faults are put in.
        reach: Which tests run which line.
    """

    def __init__(self, root: Path, copy: Copy, reach: Reach) -> None:
        self._root = root
        self._copy = copy
        self._reach = reach

    def run(self, fault: Fault) -> Outcome:
        """The tests that reach the fault, quickest first; if they see nothing, the suites of its package.

        Raises:
            RuntimeError: The tests ran against something else than the copy.
        """
        began = time.monotonic()
        reaching = self._reach.tests_of(fault)
        quick = self._within(QUICK_SECONDS, reaching)
        slow = self._within(SLOW_SECONDS, reaching[len(quick) :])
        remark = f"{len(quick)} of {len(reaching)} tests that reach it" if reaching else "no cheap test reaches it"
        found = self._find(fault, quick, hang_counts=True) if quick else None
        if found is None and slow:
            remark += f", then {len(slow)}"
            found = self._find(fault, slow, hang_counts=True)
        if found is None:
            suites = suites_of(fault)
            remark += f", {' '.join(suites)}"
            # At the limit a suite may be slow and not hang: nothing is known then.
            found = self._find(fault, suites, hang_counts=False)
        return Outcome(found, remark, time.monotonic() - began)

    def _within(self, limit_seconds: float, tests: Sequence[str]) -> list[str]:
        """The first of `tests` that take that long together."""
        ends = itertools.accumulate(self._reach.seconds[test] for test in tests)
        return [test for test, end in zip(tests, ends, strict=True) if end <= limit_seconds]

    def _find(
        self, fault: Fault, tests: Sequence[str], *, hang_counts: bool, without: tuple[str, ...] = ()
    ) -> str | None:
        """The first test that fails or hangs with the fault and passes without it."""
        run = self._pytest(tests, fault, without)
        if run.status in {0, NO_TESTS} or (run.status is None and not hang_counts):
            return None
        blamed = run.failed or run.running
        if blamed is None:
            # Stopped before any test ran: all of them are to blame.
            return f"importing: {_last_line(run.output)}" if self._pytest(tests).status == 0 else None
        if run.status is None and len(tests) > 1:
            # All of them may have been slow together; a test that hangs does so alone.
            run = self._pytest([blamed], fault)
        if run.status != 0 and self._pytest([blamed]).status == 0:
            return run.failed or f"{blamed} (timed out)"
        print(f"    says nothing of the fault: {blamed}", flush=True)
        return self._find(fault, tests, hang_counts=hang_counts, without=(*without, blamed))

    def _pytest(self, tests: Sequence[str], fault: Fault | None = None, without: Sequence[str] = ()) -> _Run:
        with self._copy.holding(fault) if fault else nullcontext(), tempfile.TemporaryDirectory() as folder:
            notes, output = Path(folder) / "notes", Path(folder) / "output"
            notes.touch()
            command = [
                *(str(self._copy.python), "-m", "pytest", "-p", "tests.mutations.witness", "-p", "no:cacheprovider"),
                *("-x", "-q", "--no-header", "--tb=line", *tests),
                *(f"--deselect={test}" for test in without),
            ]
            environment = {
                **os.environ,
                COPY: str(self._copy.src),
                NOTES: str(notes),
                "PYTHONPATH": str(self._copy.src),
            }
            with output.open("w") as out:
                process = subprocess.Popen(
                    command, cwd=self._root, env=environment, stdout=out, stderr=out, start_new_session=True
                )
                try:
                    status: int | None = process.wait(LIMIT_SECONDS)
                except subprocess.TimeoutExpired:
                    status = None
                finally:
                    _end(process, str(notes))
            said = output.read_text(encoding="utf-8", errors="replace")
            if status == WRONG_COPY:
                raise RuntimeError(f"The tests do not use the copy: {said[-2000:]}")
            lines = [line.split(" ", 1) for line in notes.read_text(encoding="utf-8").splitlines()]
            failed = [test for what, test in lines if what == "failed"]
            running = [test for what, test in lines if what == "running"]
            return _Run(status, failed[0] if failed else None, running[-1] if running else None, said)


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["nothing was said"])[-1]


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End pytest politely, so that it ends the servers of its tests, then all that was started with `mark`."""
    try:
        process.send_signal(signal.SIGINT)
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Servers lead groups of their own, so that a group's end does not reach them; what they inherited does.
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # others' processes, and those that ended meanwhile
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
