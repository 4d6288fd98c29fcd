"""The serving processes, addressed one by one, because a Service in front of them picks any of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from dandelion.client import AsyncClient
from dandelion.domain import STARTER, Prediction
from dandelion.errors import DandelionError, ReleaseError
from dandelion.settings import Settings

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pod:
    """One serving process, the version that it serves (empty while it does not respond), and the alias it follows."""

    url: str
    version: str
    alias: str | None

    def follows(self, alias: str) -> bool:
        """Whether it serves the version that `alias` points at, or the starter until there is such a version."""
        return self.alias == alias or self.version == STARTER


class Pods:
    """All serving processes, looked up anew each time; `key` is an API key or token, if they need one."""

    def __init__(self, settings: Settings, key: str | None) -> None:
        options = settings.release
        self._url = options.pods_url or options.api_url or settings.api.url
        self._is_name_of_many = options.pods_url is not None
        self._key = key

    async def list(self) -> list[Pod]:
        """List every process with the version that it serves now.

        Raises:
            AuthenticationError: The key cannot be sent.
            ReleaseError: The name cannot be resolved.
        """
        return list(await asyncio.gather(*(self._inspect(url) for url in await self._urls())))

    async def predict(self, pod: Pod, photo: bytes) -> Prediction:
        """The prediction of one process.

        Raises:
            DandelionError: The process refused, or did not respond.
        """
        async with self._client(pod.url) as client:
            return await client.predict(photo)

    async def _inspect(self, url: str) -> Pod:
        async with self._client(url) as client:
            try:
                model = await client.model()
            except DandelionError:
                return Pod(url, "", None)
        return Pod(url, str(model["version"]), model["alias"])

    def _client(self, url: str) -> AsyncClient:
        # An address of a pod is none that `NO_PROXY` could name.
        use_proxy = not self._is_name_of_many
        return AsyncClient(url, key=self._key, timeout_seconds=TIMEOUT_SECONDS, use_proxy=use_proxy)

    async def _urls(self) -> Sequence[str]:
        if not self._is_name_of_many:
            return [self._url]
        url = httpx.URL(self._url)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ReleaseError(
                f"{url.host} cannot be resolved ({error.strerror or error}).", "Check DANDELION_RELEASE__PODS_URL."
            ) from error
        return sorted({str(url.copy_with(host=str(address[0]))) for *_, address in found})
