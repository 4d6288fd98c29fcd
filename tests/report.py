"""One table of all suites, and the tests that took longest, from the JUnit files that they left.

python -m tests.report quick heavy cluster     # a suite that left no file has failed
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

FOLDER = Path(__file__).resolve().parents[1] / "artifacts" / "tests"
LONGEST = 20


@dataclass(frozen=True)
class Suite:
    """What a suite came to.

    Attributes:
        name: Of its tox environment.
        tests: How many ran.
        failed: How many of them failed, or broke off.
        skipped: How many did not run after all.
        seconds: From its start to its end.
        slowest: Seconds and name of its tests.
    """

    name: str
    tests: int
    failed: int
    skipped: int
    seconds: float
    slowest: tuple[tuple[float, str], ...] = ()

    @property
    def passed(self) -> int:
        return self.tests - self.failed - self.skipped

    @property
    def is_good(self) -> bool:
        """A suite in which nothing ran has proven nothing."""
        return self.failed == 0 and self.passed > 0


def read_suite(file: Path) -> Suite:
    """The suite whose JUnit file this is; one that left none has one failure."""
    if not file.is_file():
        return Suite(file.stem, tests=1, failed=1, skipped=0, seconds=0)
    # pytest puts one suite into a root of its own; mypy's file is that suite.
    root = ET.parse(file).getroot()  # noqa: S314 -- our own tests wrote it
    suite = root if root.tag == "testsuite" else root[0]
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    cases = [
        (float(case.get("time", 0)), f"{case.get('classname', '')}::{case.get('name', '')}")
        for case in suite.iter("testcase")
    ]
    return Suite(
        file.stem,
        tests=int(suite.get("tests", 0)),
        failed=failed,
        skipped=int(suite.get("skipped", suite.get("skips", 0))),
        seconds=float(suite.get("time", 0)),
        slowest=tuple(sorted(cases, reverse=True)[:LONGEST]),
    )


def table(suites: list[Suite]) -> str:
    """A row a suite, and the sum of all."""
    rows = [f"{'suite':<14}{'tests':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    rows += [f"{each.name:<14}{_counts([each])}{each.seconds:>9.0f}" for each in suites]
    return "\n".join([*rows, f"{'all':<14}{_counts(suites)}"])


def _counts(suites: list[Suite]) -> str:
    rows = [(each.tests, each.passed, each.failed, each.skipped) for each in suites]
    tests, passed, failed, skipped = (sum(column) for column in zip(*rows, strict=True))
    return f"{tests:>7}{passed:>8}{failed:>8}{skipped:>9}"


def main() -> int:
    """Print it; fail where a suite has failed or did not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    suites = [read_suite(FOLDER / f"{name}.xml") for name in parser.parse_args().suites]
    slowest = sorted((case for each in suites for case in each.slowest), reverse=True)[:LONGEST]
    print(f"\nThe {LONGEST} longest tests")
    print("\n".join(f"{seconds:>8.1f} s  {name}" for seconds, name in slowest))
    print(f"\n{table(suites)}\n")
    print(f"{sum(each.passed for each in suites)} passed, {sum(each.failed for each in suites)} failed")
    return 0 if all(each.is_good for each in suites) else 1


if __name__ == "__main__":
    raise SystemExit(main())
