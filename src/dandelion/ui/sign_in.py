"""Signing in and out by a plain form, so that no other part of the page handles the key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dandelion.access import RateLimiter
from dandelion.client import is_sendable
from dandelion.errors import AuthenticationError, DandelionError, RateLimitedError
from dandelion.ui.backend import Backend
from dandelion.ui.sessions import COOKIE, Sessions
from dandelion.ui.words import LANGUAGES, Words, choose_language

MAX_KEY_LENGTH = 8192  # tokens of identity providers can be long


def create_router(backend: Backend, sessions: Sessions, limiter: RateLimiter) -> APIRouter:
    """Create `/sign-in` and `/sign-out`."""
    router = APIRouter()

    @router.get("/sign-in")
    async def show(request: Request) -> HTMLResponse:
        return _form(_words(request))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        words = _words(request)
        key = str((await request.form(max_files=0, max_fields=4)).get("key", "")).strip()
        if not key or len(key) > MAX_KEY_LENGTH or not is_sendable(key):
            return _form(words, words("sign_in.empty"), 422)
        address = request.client.host if request.client else ""
        try:
            limiter.check_sign_in(address)
            name = (await backend.signed_in(key, request).me()).name
        except AuthenticationError:
            limiter.count_failed_sign_in(address)
            return _form(words, words("sign_in.wrong"), 401)
        except RateLimitedError as error:
            return _form(words, words.problem(error), 429)
        except DandelionError as error:
            return _form(words, words.problem(error), 503)
        sessions.close(request.cookies)
        response = _to_page(words)
        response.set_cookie(
            COOKIE,
            sessions.open(key, name),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path=_path(request),
        )
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        words = _words(request)
        sessions.close(request.cookies)
        response = _to_page(words)
        response.delete_cookie(COOKIE, path=_path(request))
        return response

    return router


def _words(request: Request) -> Words:
    named = request.query_params.get("language", "")
    return Words(named if named in LANGUAGES else choose_language(request.headers.get("accept-language", "")))


def _path(request: Request) -> str:
    """Where the cookie is valid: two pages may be published under paths of one host."""
    return request.scope["root_path"] or "/"


def _form(words: Words, problem: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(words.render("sign_in", problem=problem), status)


def _to_page(words: Words) -> RedirectResponse:
    return RedirectResponse(f"{words.language}/", 303)
