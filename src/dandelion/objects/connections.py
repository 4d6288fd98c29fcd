"""How S3 servers are reached: the authorities that are trusted, and the proxy."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from typing_extensions import override

from dandelion.settings import S3Settings

RETRIES = urllib3.Retry(total=2, backoff_factor=0.2, backoff_jitter=0.2, status_forcelist=[500, 502, 503, 504])


class Pool(urllib3.PoolManager):
    """Connections that go through the proxy that the environment names for a host: `HTTPS_PROXY` and `NO_PROXY`.

    Args:
        options: Trusted authorities, and the maximum wait. Without authorities, `SSL_CERT_FILE` names them, else
            those of the package certifi are trusted.
        retries: When to send a request again.
        direct: Hosts that are reached without the proxy, whatever the environment says.
    """

    def __init__(self, options: S3Settings, retries: urllib3.Retry, direct: frozenset[str] = frozenset()) -> None:
        self._options: dict[str, Any] = {
            "timeout": options.timeout_seconds,
            "maxsize": 16,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": str(options.tls_ca or os.environ.get("SSL_CERT_FILE") or certifi.where()),
            "retries": retries,
        }
        super().__init__(**self._options)
        self._direct = direct
        self._proxies = getproxies()
        self._through: dict[str, urllib3.ProxyManager] = {}

    @override
    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        target = urllib3.util.parse_url(url)
        proxy = self._proxies.get(target.scheme or "")
        if not proxy or target.host in self._direct or proxy_bypass(target.netloc or ""):
            return super().urlopen(method, url, redirect, **kw)
        if proxy not in self._through:
            self._through[proxy] = urllib3.ProxyManager(proxy, proxy_headers=_sign_in(proxy), **self._options)
        return self._through[proxy].urlopen(method, url, redirect, **kw)


def _sign_in(proxy: str) -> dict[str, str]:
    """The header for the account in a proxy's URL, where it is percent-encoded."""
    account = urllib3.util.parse_url(proxy).auth
    return {"proxy-authorization": f"Basic {b64encode(unquote_to_bytes(account)).decode()}"} if account else {}
