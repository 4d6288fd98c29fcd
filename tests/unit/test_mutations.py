"""Faults that a script puts into the product: each is what it is called, and nothing else changes."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.mutations.choice import choose_faults, read_sources, share_out
from tests.mutations.copy import Copy
from tests.mutations.faults import KINDS, Fault, find_faults
from tests.mutations.reach import Reach
from tests.mutations.suites import SUITES, suites_of

ROOT = Path(__file__).resolve().parents[2]


def put_in(source: str, kind: str) -> list[str]:
    """The source with each fault of a kind, one at a time."""
    given = source.encode()
    return [fault.put_into(given).decode() for fault in find_faults("x.py", given) if fault.kind == kind]


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("if a == b:  # why\n    f()\n", "if not (a == b):  # why\n    f()\n"),
        ("if not  a: f()", "if a: f()"),
        ("while a or b: f()", "while not (a or b): f()"),
        ("x = a if b else c", "x = a if not (b) else c"),
        ("x = [a for a in b if a.ä]", "x = [a for a in b if not (a.ä)]"),
        ("def f():\n    return a is None", "def f():\n    return not (a is None)"),
        ("if (a\n    and b): f()", "if (not (a\n    and b)): f()"),
    ],
)
def test_a_condition_is_flipped(source: str, wrong: str) -> None:
    assert put_in(source, "flipped condition") == [wrong]


@pytest.mark.parametrize(
    ("source", "wrong"),
    [("await  f()  # why", "f()  # why"), ("x = (await f(ü)).y", "x = (f(ü)).y"), ("await (f())", "(f())")],
)
def test_an_await_is_dropped(source: str, wrong: str) -> None:
    def inside(line: str) -> str:
        return f"async def g():\n    {line}\n"

    assert put_in(inside(source), "dropped await") == [inside(wrong)]


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("x = y[1_000]", ["x = y[1001]"]),
        ("x = y[-1]", ["x = y[-2]"]),
        ("x = a < (b)", ["x = a <= (b)"]),
        ("x = a >= b > c", ["x = a > b > c", "x = a >= b >= c"]),
        ("x = True", []),
    ],
)
def test_a_number_and_a_limit_are_off_by_one(source: str, wrong: list[str]) -> None:
    assert put_in(source, "off by one") == wrong


def test_an_error_is_swallowed() -> None:
    source = "try:\n    f()\nexcept E as error:\n    raise X(\n        1, 'é'\n    ) from error  # why\n"
    assert put_in(source, "swallowed error") == ["try:\n    f()\nexcept E as error:\n    pass  # why\n"]


@pytest.mark.parametrize(
    "source",
    [
        "if TYPE_CHECKING:\n    x = 1",
        "class A:\n    def __repr__(self):\n        return 'a' if self.b else str(1)",
        "log.warning('slow', limit=5)",
        "x = f'{y[1]:5}'",
        "raise NotImplementedError('1' if a else 2)",
        "'''1'''",
    ],
)
def test_what_cannot_change_behaviour_is_left_alone(source: str) -> None:
    assert find_faults("x.py", source.encode()) == []


def test_every_fault_of_the_product_is_valid_python_and_changes_it() -> None:
    for file, source in read_sources(ROOT / "src" / "dandelion" / "access").items():
        right = ast.dump(ast.parse(source))
        for fault in find_faults(file, source):
            assert ast.dump(ast.parse(fault.put_into(source))) != right, fault.name


def test_faults_are_spread_over_packages_and_kinds() -> None:
    sources = read_sources(ROOT / "src")
    chosen = choose_faults(sources, 40, seed=1)
    packages = {path.name for path in (ROOT / "src" / "dandelion").iterdir() if list(path.glob("*.py"))}
    without = {"files"}  # no condition, no await, no number: nothing to get wrong in these ways
    assert {fault.package for fault in chosen} == packages - without | {"dandelion"}
    # Not each has ten: a small package has room for some kinds alone.
    kinds = Counter(fault.kind for fault in chosen)
    assert all(9 <= kinds[kind] <= 11 for kind in KINDS), kinds
    assert len({fault.name for fault in chosen}) == 40


def test_every_suite_is_of_code_and_tests_that_are_there() -> None:
    files = [path.relative_to(ROOT / "src" / "dandelion").as_posix() for path in (ROOT / "src").rglob("*.py")]
    assert [prefix for prefix in SUITES if not any(file.startswith(prefix) for file in files)] == []
    assert [test for tests in SUITES.values() for test in tests if not (ROOT / test).exists()] == []


def test_the_choice_follows_the_seed_and_not_the_lines() -> None:
    sources = {f"dandelion/p/{name}.py": b"if a: f()\nif b: f()\nif c: f()\n" for name in "abcdefgh"}
    moved = {file: b"# moved\n" + source for file, source in sources.items()}

    def conditions(given: dict[str, bytes], seed: int) -> list[tuple[str, bytes]]:
        return [(fault.file, fault.after) for fault in choose_faults(given, 6, seed)]

    assert conditions(sources, 1) == conditions(moved, 1)
    assert conditions(sources, 1) != conditions(sources, 2)


def test_each_gets_one_and_the_large_ones_more() -> None:
    assert share_out({"a": 1, "b": 100, "c": 300}, 7) == {"a": 1, "b": 2, "c": 4}


def test_a_fault_lies_in_its_statement_and_not_in_the_body_below() -> None:
    source = b"def f(a):\n    if a(\n        1\n    ):\n        return g(2)\n"
    faults = {fault.after: fault for fault in find_faults("x.py", source)}
    assert faults[b"2"].statement == (2, 4)
    assert faults[b"3"].statement == (5, 5)


def test_the_tests_that_run_a_fault_are_known_quickest_first() -> None:
    lines = {2: frozenset({"slow", "quick"}), 3: frozenset({"slow", "failing"}), 9: frozenset({"other"})}
    reach = Reach({"slow": 2.0, "quick": 0.1, "other": 0.2}, {"x.py": lines})
    inside = Fault("x.py", "off by one", 3, 0, 1, b"2", (2, 3), runs_on_import=False)
    assert reach.tests_of(inside) == ["quick", "slow"]
    at_the_top = Fault("x.py", "off by one", 1, 0, 1, b"2", (1, 1), runs_on_import=True)
    assert reach.tests_of(at_the_top) == ["quick", "other", "slow"]


def test_every_package_has_suites_that_exist() -> None:
    for file, source in read_sources(ROOT / "src").items():
        for fault in find_faults(file, source)[:1]:
            assert all((ROOT / suite).exists() for suite in suites_of(fault)), file


def test_a_copy_holds_the_fault_for_a_while_and_every_process_uses_it(tmp_path: Path) -> None:
    copy = Copy(ROOT, tmp_path)
    file = ROOT / "src" / "dandelion" / "__init__.py"
    end = len(file.read_bytes())
    fault = Fault("dandelion/__init__.py", "off by one", 1, end, end, b"\nFAULT = 1\n", (1, 1), runs_on_import=True)

    def ask() -> str:
        code = "import dandelion, sys; print(hasattr(dandelion, 'FAULT'), dandelion.__file__)"
        return subprocess.run([copy.python, "-c", code], env={}, capture_output=True, text=True, check=True).stdout

    place = str(copy.src / "dandelion" / "__init__.py")
    with copy.holding(fault):
        assert ask().split() == ["True", place]
    assert ask().split() == ["False", place]
    assert (copy.src / "dandelion" / "__init__.py").read_bytes() == file.read_bytes()
