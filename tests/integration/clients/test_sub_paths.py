"""A server under a path that a proxy removes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg


@pytest.fixture(scope="module")
def proxied(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """A server that trusts the proxy on this machine, which forwards `X-Forwarded-Prefix`."""
    trusting = {"trusted_proxies": ("127.0.0.1",), "trust_forwarded_prefix": True, "root_path": "/set"}
    with running_api(make_settings(api=trusting)) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "root"),
    [
        ([], "/set"),
        (["/plants"], "/plants"),
        (["/plants/"], "/plants"),
        (["/"], ""),
        ([""], "/set"),
        (["/outer, /inner"], "/outer/inner"),
        (["/outer", "/inner"], "/outer/inner"),
        (["/predict"], "/predict"),
        (["/docs"], "/docs"),
        (["plants"], "/set"),
        (["//evil.example"], "/set"),
        (["/a/../b"], "/set"),
        (["/a/./b"], "/set"),
        (["/'><script>alert(1)</script>"], "/set"),
        (["https://evil.example/"], "/set"),
        (["/plänts"], "/set"),
    ],
)
def test_documentation_and_schema_name_the_path_that_browsers_see(proxied: Api, sent: list[str], root: str) -> None:
    headers = [(b"X-Forwarded-Prefix", each.encode("latin-1")) for each in sent]
    with httpx.Client(base_url=proxied.url) as http:
        assert http.get("/", headers=headers).json()["docs"] == f"{root}/docs"
        for path in ("/openapi.json", "/docs/openapi.json"):
            assert http.get(path, headers=headers).json()["servers"] == [{"url": root or "/"}]
        page = http.get("/docs", headers=headers)
        assert f'src="{root}/docs/assets/swagger-ui-bundle.js"' in page.text
        assert f'"servers":[{{"url":"{root or "/"}"}}]' in page.text
        assert "script-src" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert http.get("/docs/assets/swagger-ui.css", headers=headers).status_code == 200
        assert http.post("/predict", content=jpeg(), headers=headers).status_code == 200
        assert http.get("/nowhere", headers=headers).status_code == 404


def test_a_prefix_of_somebody_else_is_not_believed(api: Api) -> None:
    answer = httpx.get(api.url, headers={"X-Forwarded-Prefix": "/evil"})
    assert answer.json()["docs"] == "/docs"


def test_a_prefix_that_a_trusted_proxy_passes_on_is_not_believed_unasked(guarded: Api) -> None:
    answer = httpx.get(guarded.url, headers={"X-Forwarded-Prefix": "/evil"})
    assert answer.json()["docs"] == "/docs"


def test_only_assets_may_be_stored(api: Api) -> None:
    with httpx.Client(base_url=api.url) as http:
        assert "cache-control" not in http.get("/docs/assets/swagger-ui.css").headers
        for path in ("/", "/docs", "/docs/openapi.json", "/openapi.json", "/nowhere"):
            assert http.get(path).headers["cache-control"] == "no-store", path


@pytest.mark.parametrize("text", ["plants", "//evil", "/a b", "/a?b", "/ä", "/..", "/<x>"])
def test_a_root_path_that_is_none_is_refused(make_settings: Callable[..., Settings], text: str) -> None:
    with pytest.raises(ValueError, match="such as /dandelion"):
        make_settings(api={"root_path": text})
