"""Which faults a run tries: the same ones for the same seed, whatever changes in other files."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.mutations.faults import KINDS, Fault, find_faults


def read_sources(folder: Path) -> dict[str, bytes]:
    """Every Python file below `folder`, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}


def choose_faults(sources: Mapping[str, bytes], count: int, seed: int) -> list[Fault]:
    """Faults on lines of their own: over all packages by their places, of all kinds alike as far as these have room."""
    places: dict[str, dict[Fault, str]] = defaultdict(dict)
    sizes: Counter[str] = Counter()
    for file, source in sources.items():
        for fault, rank in _rank(find_faults(file, source), source, seed).items():
            places[fault.package][fault] = rank
            sizes[fault.package] += 1
    shares = share_out(sizes, count)
    used: Counter[str] = Counter()
    chosen: dict[str, Fault] = {}
    # A slot at a time, so that no package takes the last of a kind from one that has no other.
    for turn in range(max(shares.values())):
        for package in sorted(places, key=lambda name: _hash(seed, turn, name)):
            free = [fault for fault in places[package] if fault.name not in chosen]
            if turn < shares[package] and free:
                kind = min({fault.kind for fault in free}, key=lambda each: (used[each], KINDS.index(each)))
                fault = min((fault for fault in free if fault.kind == kind), key=places[package].__getitem__)
                chosen[fault.name] = fault
                used[kind] += 1
    return sorted(chosen.values(), key=lambda fault: (fault.package, fault.file, fault.start))


def share_out(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` each gets: at least one, the rest by its size (largest remainders)."""
    names = sorted(sizes)
    spare = max(count - len(names), 0)
    total = sum(sizes.values())
    exact = {name: spare * sizes[name] / total for name in names}
    shares = {name: 1 + int(exact[name]) for name in names}
    by_remainder = sorted(names, key=lambda name: (int(exact[name]) - exact[name], name))
    for name in by_remainder[: max(count - sum(shares.values()), 0)]:
        shares[name] += 1
    return shares


def _rank(faults: list[Fault], source: bytes, seed: int) -> dict[Fault, str]:
    """A lot for each, drawn from its words and not its line: code that moves keeps it."""
    seen: Counter[tuple[str, ...]] = Counter()
    ranks = {}
    for fault in faults:
        words = (fault.file, fault.kind, *fault.describe(source))
        ranks[fault] = _hash(seed, seen[words], *words)
        seen[words] += 1
    return ranks


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
