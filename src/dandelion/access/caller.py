"""The sender of a request."""

from __future__ import annotations

from dataclasses import dataclass

from dandelion.domain import AccessScope
from dandelion.errors import ScopeError

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request.

    Attributes:
        name: `key:NAME` of an API key, `jwt:SUBJECT` of a token, or `anonymous`.
        scopes: What the caller may do; `admin` may do everything.
        address: Where the request came from; empty if unknown.
    """

    name: str = ANONYMOUS
    scopes: frozenset[AccessScope] = frozenset()
    address: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the caller is authenticated."""
        return self.name != ANONYMOUS

    @property
    def client(self) -> str:
        """What identifies the caller: the name, or the address of an anonymous caller."""
        return self.name if self.is_known else self.address

    def may(self, needed: AccessScope) -> bool:
        """Whether the caller has a scope."""
        return needed in self.scopes or "admin" in self.scopes

    def check(self, needed: AccessScope) -> None:
        """Check that the caller has a scope.

        Raises:
            ScopeError: The caller lacks it.
        """
        if not self.may(needed):
            raise ScopeError(
                f"{self.name} lacks the scope {needed!r}; it has {', '.join(sorted(self.scopes)) or 'none'}.",
                f"Create a key that has it: dandelion keys create NAME --scope {needed}",
                scope=needed,
            )
