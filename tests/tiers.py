"""Which tier a test belongs to, by what it uses: its imports, its fixtures, and the names that its code mentions.

`quick` needs Python packages alone, no torch, and no process that serves. `training` needs torch beside them. `proof`
starts servers: the product's own, or programs that are no Python packages, such as MySQL, a browser or a Kubernetes
node. What is read here is source, so nothing heavy is imported to find out.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Tier = Literal["quick", "training", "proof"]
TIERS: dict[Tier, str] = {
    "quick": "needs Python packages alone, and no torch: anybody runs it",
    "training": "needs torch",
    "proof": "starts servers, or programs that are no Python packages",
}

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = {
    "tests": ROOT / "tests",
    "dandelion": ROOT / "src" / "dandelion",
    "benchmarks": ROOT / "benchmarks",
    "dashboards": ROOT / "dashboards",
}
_SERVERS = {"tests.servers.tools", "tests.servers.process", "tests.servers.product"}
_TORCH = ("torch", "torchvision", "timm", "nncf", "safetensors.torch")


def tier_of(needs: Iterable[str]) -> Tier:
    """The tier of what has these needs."""
    found = set(needs)
    if found & _SERVERS:
        return "proof"
    return "training" if "torch" in found else "quick"


@functools.cache
def needs_of_file(file: Path) -> frozenset[str]:
    """What importing a file needs: `torch`, and modules of ours that start servers."""
    return _needs_of_modules(module for modules in _read(file).imports.values() for module in modules)


@functools.cache
def needs_of_function(file: Path, name: str) -> frozenset[str]:
    """What a function at the top of a file needs, by the names that its code mentions and what it imports itself.

    Annotations do not count: to be told of a server's type is not to start one.
    """
    source = _read(file)
    found: set[str] = set()
    waiting, seen = [name], set[str]()
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            found |= _needs_of_modules(source.imports.get(current, ()))
            if code := source.defined.get(current):
                waiting += _mentioned(code)
                inside = (each for each in ast.walk(code) if isinstance(each, (ast.Import, ast.ImportFrom)))
                found |= _needs_of_modules(module for each in inside for module in _loaded(each))
    return frozenset(found)


@dataclass
class _Source:
    """A file as it is read here.

    Attributes:
        imports: Name in the file to the modules that are loaded for it, where importing the file loads them.
        late: Modules that functions of the file import when they are called.
        defined: The code behind the names that are defined at the top of the file.
    """

    imports: dict[str, list[str]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    defined: dict[str, ast.AST] = field(default_factory=dict)


@functools.cache
def _read(file: Path) -> _Source:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = _Source()
    for statement, is_late in _imports(tree.body, is_late=False):
        if is_late:
            found.late += _loaded(statement)
        else:
            for name, modules in _bound(statement).items():
                found.imports.setdefault(name, []).extend(modules)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.defined[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.defined |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
    return found


def _imports(nodes: Iterable[ast.AST], *, is_late: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The imports below, and whether they wait for a function to be called."""
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, is_late
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _imports(node.orelse, is_late=is_late)
        else:
            waits = is_late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _imports(ast.iter_child_nodes(node), is_late=waits)


def _loaded(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for modules in _bound(statement).values():
        yield from modules


def _bound(statement: ast.Import | ast.ImportFrom) -> dict[str, list[str]]:
    """The names that an import binds, and the modules that it loads for each."""
    if isinstance(statement, ast.Import):
        return {each.asname or each.name.partition(".")[0]: [each.name] for each in statement.names}
    module = statement.module or ""
    return {each.asname or each.name: [module, f"{module}.{each.name}"] for each in statement.names}


def _mentioned(node: ast.AST) -> list[str]:
    """Every name in the code below, but for those in annotations."""
    names: list[str] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ast.Name):
            names.append(current.id)
        waiting += _children(current)
    return names


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns"}:
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield each


def _needs_of_modules(modules: Iterable[str]) -> frozenset[str]:
    """What importing these modules needs, and all that they import."""
    found: set[str] = set()
    waiting, seen = [*modules], set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if _is_torch(module):
            found.add("torch")
        elif module in _SERVERS:
            found.add(module)
        elif file := _file_of(module):
            source = _read(file)
            # A package runs before what is in it.
            waiting += [module.rpartition(".")[0], *(each for modules in source.imports.values() for each in modules)]
            if not file.is_relative_to(_PACKAGES["tests"]):
                # Whoever uses a module of the product may call any of its functions.
                waiting += [each for each in source.late if _is_torch(each)]
    return frozenset(found)


def _is_torch(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in _TORCH)


def _file_of(module: str) -> Path | None:
    package, _, rest = module.partition(".")
    if package not in _PACKAGES:
        return None
    place = _PACKAGES[package].joinpath(*rest.split(".")) if rest else _PACKAGES[package]
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)
