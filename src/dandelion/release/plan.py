"""The plan of a release: which aliases move, and where they pointed before, so that a rollback can restore them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dandelion.domain import CHAMPION, PREVIOUS
from dandelion.settings import ReleaseSettings


@dataclass(frozen=True, slots=True)
class Move:
    """Aliases before and after.

    Attributes:
        alias: The alias that the serving pods follow.
        version: The version that it will point at.
        before: Each alias that changes, and the version it pointed at; None if it pointed nowhere.
        after: Each alias that changes, and its new version, in the order in which they are set: `alias` comes last.
    """

    alias: str
    version: str
    before: Mapping[str, str | None]
    after: Mapping[str, str]


def plan_move(version: str, aliases: Mapping[str, str], options: ReleaseSettings) -> Move:
    """Plan how to put `version` in service.

    Args:
        version: The candidate.
        aliases: Where the aliases point now.
        options: The strategy. A rolling release moves `champion` and points `previous` at the version before it.
            Canary and blue-green releases move `challenger`, which only their trial pods serve.
    """
    alias, after = options.alias, {}
    if alias == CHAMPION and aliases.get(CHAMPION) not in {None, version}:
        after[PREVIOUS] = aliases[CHAMPION]
    after[alias] = version
    return Move(alias, version, {name: aliases.get(name) for name in after}, after)
