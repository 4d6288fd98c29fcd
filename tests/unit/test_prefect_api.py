"""The client of Prefect's API, without Prefect."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dandelion.orchestration.prefect_api import PrefectApi
from dandelion.settings import Settings


async def test_certificates_are_read_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API creates a client for each request, in its event loop."""
    settings = Settings.model_validate({"home": tmp_path})
    async with PrefectApi(settings):
        pass

    def refuse(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("read again")

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    async with PrefectApi(settings):
        pass
