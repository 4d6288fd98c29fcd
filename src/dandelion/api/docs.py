"""`GET /`, `/docs` and `/openapi.json`: what this server is, and its documentation."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.static_files import create_static_files_router

from dandelion import __version__
from dandelion.api.access import ASSETS, DOCS, OPEN

_SCHEMA = "/openapi.json"


class Server(msgspec.Struct, kw_only=True):
    """This server, and the paths of its documentation and of its schema."""

    name: str
    version: str
    docs: str
    openapi: str


@get("/", opt=OPEN, summary="What this server is")
async def describe_server(request: Request[Any, Any, Any]) -> Server:
    """Return 200: load balancers ask for this path unless somebody tells them another."""
    root = _root_of(request)
    return Server(name="Dandelion", version=__version__, docs=f"{root}{DOCS}", openapi=f"{root}{_SCHEMA}")


@get(_SCHEMA, opt=OPEN, include_in_schema=False, media_type=MediaType.JSON)
async def schema(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI schema; `/docs` shows it."""
    return _published(request, request.app.openapi_schema.to_schema())


class SchemaFile(JsonRenderPlugin):
    """The schema beside the page."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The schema as JSON."""
        return super().render(request, _published(request, openapi_schema))


class DocsPage(SwaggerRenderPlugin):
    """Swagger UI, from files of this server: it works for browsers that reach only this one."""

    def __init__(self, root_path: str = "") -> None:
        assets = f"{root_path}{ASSETS}"
        super().__init__(
            path="/",
            js_url=f"{assets}/swagger-ui-bundle.js",
            css_url=f"{assets}/swagger-ui.css",
            standalone_preset_js_url=f"{assets}/swagger-ui-standalone-preset.js",
            favicon=f"<link rel='icon' type='image/png' href='{assets}/favicon-32x32.png'>",
        )

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page, for browsers that see this server under a path of its own, too."""
        page = DocsPage(_root_of(request))
        return super(DocsPage, page).render(request, _published(request, openapi_schema))


def create_assets_router() -> Router:
    """Create the routes of the installed Swagger UI.

    Raises:
        ImportError: It is not installed.
    """
    found = importlib.util.find_spec("swagger_ui")
    if found is None or found.origin is None:
        raise ImportError("swagger-ui-py is not installed.")
    folder = Path(found.origin).parent / "static"
    names = {each.name for each in folder.iterdir()}

    async def check_name(request: Request[Any, Any, Any]) -> None:
        # The router looks up any name in the file system, and fails on names that the file system refuses.
        if request.scope["path"].removeprefix(f"{ASSETS}/") not in names:
            raise NotFoundException

    return create_static_files_router(
        ASSETS, directories=[folder], before_request=check_name, include_in_schema=False, opt=OPEN
    )


def _root_of(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("root_path", ""))


def _published(request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the path under which the sender of this request reaches the server."""
    return {**openapi_schema, "servers": [{"url": _root_of(request) or "/"}]}
