"""Who may call which route. Each route sets its scope in `opt`; a route without one needs `admin`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from litestar import Request, get
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from dandelion.access import SAFE_METHODS, Authenticator, Caller, RateLimiter, RateLimitStatus, is_foreign
from dandelion.api.problems import documented
from dandelion.domain import AccessScope, Identity
from dandelion.errors import AuthenticationError, ForeignOriginError, RateLimitedError
from dandelion.settings import Settings

OPT = "access"
OPEN = {OPT: "open"}
MONITORING = {OPT: "monitoring"}
ANYBODY = {OPT: "anybody"}  # with or without a key; a wrong key is still refused
DOCS = "/docs"
ASSETS = f"{DOCS}/assets"


def needs(scope: AccessScope) -> dict[str, str]:
    """`opt` of a route that requires this scope."""
    return {OPT: scope}


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """The sender of this request; `anonymous` with an address if access control is off."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


@get("/me", opt=ANYBODY, summary="Who you are", responses=documented({503: "The database does not answer"}))
async def who_am_i(request: Request[Any, Any, Any]) -> Identity:
    """Return your name and scopes; all scopes if the API requires no key."""
    caller, is_enabled = caller_of(request), request.app.state.settings.access.enabled
    scopes = [scope for scope in get_args(AccessScope) if caller.may(scope) or not is_enabled]
    return Identity(name=caller.name, scopes=scopes, is_asked=is_enabled)


class AccessControl(ASGIMiddleware):
    """Checks caller, scope and rate limit before the body is read.

    Args:
        settings: Scopes of anonymous callers, and the monitoring port.
        authenticator: Identifies the caller of a credential; None if access control is off.
        limiter: Enforces the rate limits.
        is_allowed: Whether pages of another origin may call the API.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator | None,
        limiter: RateLimiter,
        is_allowed: Callable[[str], bool] | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._anonymous = frozenset(settings.access.anonymous_scopes)
        self._monitoring_port = settings.api.monitoring_port
        self._is_allowed = is_allowed

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass one request on, or refuse it."""
        needed: Any = scope["route_handler"].opt.get(OPT, "admin")
        self._check_port(scope)
        self._check_origin(scope)
        client = scope.get("client")
        address = client[0] if client else ""
        # Of OPTIONS, CORS decides whether a page of another origin may call.
        if needed in {OPEN[OPT], MONITORING[OPT]} or scope.get("method") == "OPTIONS":
            scope["state"]["caller"] = Caller(address=address)
        else:
            try:
                caller, scope["state"]["rate_limit"] = await self.identify(scope["headers"], address)
            except RateLimitedError as error:
                scope["state"]["rate_limit"] = error.status
                raise
            scope["state"]["caller"] = caller
            self.authorize(caller, needed)
        await next_app(scope, receive, send)

    async def identify(
        self, headers: Iterable[tuple[bytes, bytes]], address: str
    ) -> tuple[Caller, RateLimitStatus | None]:
        """The caller of a request, which is counted, and its rate limit, if there is one.

        Args:
            headers: The request's, names in lower case.
            address: Where it came from.

        Raises:
            RateLimitedError: The caller sends too many, or failed to sign in too often.
            AuthenticationError: The credential is wrong.
            DatabaseError: The database does not answer, and the key was not verified recently.
            NotReadyError: The keys of an identity provider cannot be fetched.
        """
        caller = await self._caller(headers, address)
        return caller, self._limiter.count(caller)

    def authorize(self, caller: Caller, needed: Any) -> None:
        """Check that a caller may call a route, which `needed` describes in `opt`.

        Raises:
            AuthenticationError: It sent no credential.
            ScopeError: It lacks the scope.
        """
        if self._authenticator is not None and needed != ANYBODY[OPT]:
            if not caller.is_known and not caller.may(needed):
                raise AuthenticationError(
                    "This needs an API key or a token.", "Send it as `Authorization: Bearer ...`.", is_missing=True
                )
            caller.check(needed)

    async def _caller(self, headers: Iterable[tuple[bytes, bytes]], address: str) -> Caller:
        credential = _credential(headers) if self._authenticator is not None else ""
        if self._authenticator is None or not credential:
            return Caller(scopes=self._anonymous, address=address)
        if not self._authenticator.remembers(credential):
            # Many callers may share an address: someone who guesses keys must not lock out the verified ones.
            self._limiter.check_sign_in(address)
        try:
            return await self._authenticator.identify(credential, address)
        except AuthenticationError:
            self._limiter.count_failed_sign_in(address)
            raise

    def _check_origin(self, scope: Scope) -> None:
        """Refuse requests of other sites' pages: a browser sends them even if the page cannot read the response."""
        if scope.get("method") not in SAFE_METHODS and is_foreign(scope["headers"], self._is_allowed):
            raise ForeignOriginError(
                "A page of another site sent this.", "Allow its origin in DANDELION_API__CORS_ORIGINS."
            )

    def _check_port(self, scope: Scope) -> None:
        """A separate monitoring port has only the monitoring routes, and the other port has none of them."""
        if self._monitoring_port is None:
            return
        server = scope.get("server")
        is_monitoring = server is not None and server[1] == self._monitoring_port
        if is_monitoring != (MONITORING[OPT] in _opts(scope)):
            raise NotFoundException


def _opts(scope: Scope) -> set[str]:
    """What the handlers of a path need: to OPTIONS Litestar adds a handler of its own."""
    handlers = [scope["route_handler"]]
    if scope.get("method") == "OPTIONS":
        routes = [route for route in scope["litestar_app"].routes if route.path == scope["path_template"]]
        handlers = [handler for route in routes for handler in getattr(route, "route_handlers", ())]
    return {handler.opt.get(OPT, "admin") for handler in handlers}


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    sent = dict(headers)
    # `X-API-Key` comes first: an ingress that requires a password leaves that in `Authorization`.
    if key := sent.get(b"x-api-key", b"").strip():
        return key.decode("latin-1")
    kind, _, rest = sent.get(b"authorization", b"").decode("latin-1").partition(" ")
    if b"authorization" in sent and (kind.lower() != "bearer" or not rest.strip()):
        raise AuthenticationError(
            f"Authorization of kind {kind[:20]!r} is not supported.", "Send `Authorization: Bearer ...`."
        )
    return rest.strip()
