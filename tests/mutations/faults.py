"""Small faults that a script can put into Python source, and where a file has room for them.

A fault is a span of bytes and what stands there instead, so that nothing else of the file changes: no formatting, no
comment, no line. Positions are those of `ast`, which counts in bytes of UTF-8.
"""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["flipped condition", "dropped await", "off by one", "swallowed error"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_NEIGHBOURS: dict[type[ast.cmpop], bytes] = {ast.Lt: b"<=", ast.LtE: b"<", ast.Gt: b">=", ast.GtE: b">"}
_LOGGING = frozenset({"debug", "info", "warning", "error", "exception"})
# Nothing a test can see: what a debugger shows, and what only a subclass may leave out.
_UNSEEN_FUNCTIONS = frozenset({"__repr__"})
_UNSEEN_ERRORS = frozenset({"NotImplementedError"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One change of one place.

    Attributes:
        file: Path below `src`, with slashes.
        kind: What is done wrong.
        line: Where the change begins, from 1.
        start: First byte that changes.
        end: First byte after it that does not.
        after: What stands there instead.
        statement: First and last line of the statement around it, without the body of a compound one.
        runs_on_import: It is outside every function, so that no single test runs it.
    """

    file: str
    kind: Kind
    line: int
    start: int
    end: int
    after: bytes
    statement: tuple[int, int]
    runs_on_import: bool

    @property
    def package(self) -> str:
        """`access` of `dandelion/access/gate.py`; `dandelion` for a module beside the packages."""
        parts = self.file.split("/")
        return parts[1] if len(parts) > 2 else parts[0]

    @property
    def name(self) -> str:
        """What `--only` takes."""
        return f"{self.file.removeprefix('dandelion/')}:{self.line}"

    def put_into(self, source: bytes) -> bytes:
        """The file with the fault in it."""
        return source[: self.start] + self.after + source[self.end :]

    def describe(self, source: bytes) -> tuple[str, str]:
        """The changed words and those after them, as one line each."""
        rest = source[self.end : source.find(b"\n", self.end)]
        return _shorten(source[self.start : self.end] + rest), _shorten(self.after + rest)


def find_faults(file: str, source: bytes) -> list[Fault]:
    """Every fault that the file has room for, in the order of its lines."""
    places = _Places(file, source)
    places.visit(ast.parse(source))
    return sorted(places.found, key=lambda fault: (fault.start, fault.kind, fault.after))


def _shorten(words: bytes) -> str:
    line = " ".join(words.decode().split())
    return line if len(line) <= 60 else f"{line[:57]}..."


class _Places(ast.NodeVisitor):
    """Walks a file, and leaves out what cannot change how the product behaves."""

    def __init__(self, file: str, source: bytes) -> None:
        self.found: list[Fault] = []
        self._file = file
        self._source = source
        self._lines = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
        self._statement = (1, 1)
        self._functions = 0

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            outer, self._statement = self._statement, _header(node)
            super().visit(node)
            self._statement = outer
        else:
            super().visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in _UNSEEN_FUNCTIONS:
            return
        # Decorators and defaults run where the function is made.
        for each in (*node.decorator_list, node.args):
            self.visit(each)
        self._functions += 1
        for statement in node.body:
            self.visit(statement)
        self._functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 -- a name of `ast`

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._visit_test(node)

    def _visit_test(self, node: ast.If | ast.While | ast.IfExp) -> None:
        self._flip(node.test)
        self.generic_visit(node)

    visit_While = visit_IfExp = _visit_test  # noqa: N815 -- names of `ast`

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._flip(condition)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if isinstance(node.value, (ast.Compare, ast.BoolOp)):
            self._flip(node.value)
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        word = re.match(rb"await\s*", self._source[self._offset(node) :])
        assert word is not None
        self._add("dropped await", node, word.end(), b"")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            if neighbour := _NEIGHBOURS.get(type(operator)):
                start = self._end(left)
                sign = re.search(rb"[<>]=?", self._source[start : self._offset(right)])
                assert sign is not None
                self._add("off by one", left, len(sign[0]), neighbour, start + sign.start())
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) is int:
            self._add("off by one", node, self._end(node) - self._offset(node), str(node.value + 1).encode())

    def visit_Raise(self, node: ast.Raise) -> None:
        # What an error says is text, so nothing inside is visited.
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if not (isinstance(raised, ast.Name) and raised.id in _UNSEEN_ERRORS):
            self._add("swallowed error", node, self._end(node) - self._offset(node), b"pass")

    def visit_Call(self, node: ast.Call) -> None:
        if not (isinstance(node.func, ast.Attribute) and node.func.attr in _LOGGING and _is_log(node.func.value)):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python 3.11 gives wrong positions inside f-strings."""

    def _flip(self, condition: ast.expr) -> None:
        start, end = self._offset(condition), self._end(condition)
        if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
            word = re.match(rb"not\s*", self._source[start:end])
            assert word is not None
            self._add("flipped condition", condition, word.end(), b"")
        else:
            self._add("flipped condition", condition, end - start, b"not (" + self._source[start:end] + b")")

    def _add(self, kind: Kind, node: ast.expr | ast.stmt, length: int, after: bytes, start: int | None = None) -> None:
        start = self._offset(node) if start is None else start
        line = self._source.count(b"\n", 0, start) + 1
        on_import = self._functions == 0
        self.found.append(Fault(self._file, kind, line, start, start + length, after, self._statement, on_import))

    def _offset(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset


def _header(statement: ast.stmt) -> tuple[int, int]:
    """First and last line, without the statements inside."""
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    if isinstance(statement, ast.Match):
        return first, statement.subject.end_lineno or first
    body: list[ast.stmt] = getattr(statement, "body", [])
    return first, max(first, body[0].lineno - 1) if body else last


def _is_log(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id.lstrip("_").lower() in {"log", "logger"}
