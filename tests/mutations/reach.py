"""Which tests run which line of `src`, measured once for each test file and kept below `artifacts/`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from tests.mutations.faults import Fault
from tests.mutations.measure import RESULTS

FOLDERS = ("tests/unit", "tests/integration")
CACHE = Path("artifacts/mutations")


@dataclass(frozen=True, slots=True)
class Reach:
    """What was measured.

    Attributes:
        seconds: Test to how long it took; tests that passed alone.
        tests: File below `src` to line to the tests that ran it.
    """

    seconds: Mapping[str, float]
    tests: Mapping[str, Mapping[int, frozenset[str]]]

    def tests_of(self, fault: Fault) -> list[str]:
        """The tests that run its statement, quickest first; for a module's own lines, all that use the module."""
        lines = self.tests.get(fault.file, {})
        first, last = fault.statement
        found = {
            test for line, tests in lines.items() if fault.runs_on_import or first <= line <= last for test in tests
        }
        return sorted(found & self.seconds.keys(), key=lambda test: (self.seconds[test], test))


def measure_reach(root: Path) -> Reach:
    """What the cheap suites reach: read if kept for these sources, measured for the test files that changed."""
    kept = root / CACHE / f"{_digest_common(root)}"
    files = {
        path: kept / f"{_digest([path])}.json" for name in FOLDERS for path in sorted((root / name).glob("test_*.py"))
    }
    if missing := [path for path, target in files.items() if not target.exists()]:
        print(f"measuring what {len(missing)} test files reach", flush=True)
        kept.mkdir(parents=True, exist_ok=True)
        for path, found in _measure(root, [path.relative_to(root).as_posix() for path in missing]).items():
            files[root / path].write_text(json.dumps(found), encoding="utf-8")
    return _merge(json.loads(target.read_text(encoding="utf-8")) for target in files.values())


Measured = dict[str, dict[str, object]]


def _measure(root: Path, files: list[str]) -> dict[str, Measured]:
    """For each file its tests, with the seconds of each and the lines of `src` that it ran."""
    with tempfile.TemporaryDirectory() as folder:
        data, results = Path(folder) / "coverage", Path(folder) / "results.json"
        command = [
            *(sys.executable, "-m", "coverage", "run", f"--data-file={data}", f"--source={root / 'src'}"),
            "--concurrency=thread,greenlet",  # SQLAlchemy's asyncio runs statements in greenlets
            *("-m", "pytest", "-p", "tests.mutations.measure", "-q", "--no-header", *files),
            *("-m", "not proof"),  # what tests reach with servers, they reach slowly
        ]
        environment = {**os.environ, RESULTS: str(results), "PYTHONPATH": str(root / "src")}
        subprocess.run(command, cwd=root, env=environment, check=False)
        return {file: {} for file in files} | _read(root / "src", data, results)


def _read(src: Path, data: Path, results: Path) -> dict[str, Measured]:
    seconds: dict[str, float] = json.loads(results.read_text(encoding="utf-8"))
    lines: dict[str, dict[str, list[int]]] = {test: {} for test in seconds}
    coverage = CoverageData(str(data))
    coverage.read()
    for path in coverage.measured_files():
        name = Path(path).relative_to(src).as_posix()
        for line, tests in coverage.contexts_by_lineno(path).items():
            for test in lines.keys() & set(tests):
                lines[test].setdefault(name, []).append(line)
    measured: dict[str, Measured] = defaultdict(dict)
    for test, took in seconds.items():
        measured[test.partition("::")[0]][test] = {"seconds": took, "lines": lines[test]}
    return measured


def _merge(kept: Iterable[Measured]) -> Reach:
    seconds: dict[str, float] = {}
    tests: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for found in kept:
        for test, measured in found.items():
            took, lines = measured["seconds"], measured["lines"]
            assert isinstance(took, float)
            assert isinstance(lines, dict)
            seconds[test] = took
            for file, numbers in lines.items():
                for number in numbers:
                    tests[file][number].add(test)
    return Reach(
        seconds, {file: {line: frozenset(names) for line, names in lines.items()} for file, lines in tests.items()}
    )


def _digest_common(root: Path) -> str:
    """Of all that may change what any test reaches: the product, and what tests share."""
    shared = [path for path in (root / "tests").rglob("*.py") if not path.name.startswith("test_")]
    own = root / "tests" / "mutations"
    return _digest([*(root / "src").rglob("*.py"), *(path for path in shared if own not in path.parents)])


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
