"""What a release changes, and what undoes it: pure, so that a move can be taken back from what is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dandelion.domain import CHAMPION, PREVIOUS
from dandelion.settings import ReleaseSettings


@dataclass(frozen=True, slots=True)
class Move:
    """Aliases before and after.

    Attributes:
        alias: The one that serving pods follow.
        version: What it will point at.
        before: Alias to version, or to None where it points nowhere, for all that change.
        after: The same afterwards, in the order in which they are set: the one that pods follow is last.
    """

    alias: str
    version: str
    before: Mapping[str, str | None]
    after: Mapping[str, str]


def plan_move(version: str, aliases: Mapping[str, str], options: ReleaseSettings) -> Move:
    """How `version` comes into service.

    Args:
        version: The candidate.
        aliases: Where aliases point now.
        options: The strategy: a rolling release moves `champion` and remembers the one before as `previous`; canary and
            blue-green move `challenger`, which nothing but their trial pods serves.
    """
    alias, after = options.alias, {}
    if alias == CHAMPION and aliases.get(CHAMPION) not in {None, version}:
        after[PREVIOUS] = aliases[CHAMPION]
    after[alias] = version
    return Move(alias, version, {name: aliases.get(name) for name in after}, after)
