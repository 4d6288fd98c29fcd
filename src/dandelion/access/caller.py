"""Whoever sent a request."""

from __future__ import annotations

from dataclasses import dataclass

from dandelion.domain import AccessScope
from dandelion.errors import ScopeError

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request.

    Attributes:
        name: `key:NAME` of an API key, `jwt:SUBJECT` of a token, or `anonymous`.
        scopes: What they may do; `admin` may do all.
        address: Where the request came from; empty where that is unknown.
    """

    name: str = ANONYMOUS
    scopes: frozenset[AccessScope] = frozenset()
    address: str = ""

    @property
    def is_known(self) -> bool:
        """Whether they have shown who they are."""
        return self.name != ANONYMOUS

    @property
    def client(self) -> str:
        """What tells them from others: the name, or the address of those who have none."""
        return self.name if self.is_known else self.address

    def may(self, needed: AccessScope) -> bool:
        """Whether they may do what a scope opens."""
        return needed in self.scopes or "admin" in self.scopes

    def check(self, needed: AccessScope) -> None:
        """Let pass those who may.

        Raises:
            ScopeError: They may not.
        """
        if not self.may(needed):
            raise ScopeError(
                f"{self.name} lacks the scope {needed!r}; it has {', '.join(sorted(self.scopes)) or 'none'}.",
                f"Make a key that has it: dandelion keys create NAME --scope {needed}",
                scope=needed,
            )
