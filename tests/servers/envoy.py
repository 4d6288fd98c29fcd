"""Envoy before a server, with one connection in its pool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.servers import tools
from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess


class Envoy(ServerProcess):
    """A proxy that publishes a server under a path, which it removes from requests.

    Args:
        folder: An empty folder for what it writes.
        upstream: The port of the server.
        prefix: The path, such as `/plants`; empty for the root.

    Attributes:
        url: Where the server is published.
    """

    def __init__(self, folder: Path, upstream: int, prefix: str = "") -> None:
        (port,) = free_ports(1)
        folder.mkdir(exist_ok=True)
        configuration = folder / "envoy.json"
        configuration.write_text(json.dumps(_configuration(port, upstream, prefix)))
        argv = [str(tools.find("envoy")), "-c", str(configuration), "--concurrency", "1", "--disable-hot-restart"]
        super().__init__([*argv, "--log-level", "warn"], port, folder / "output.log")
        self.url = f"http://127.0.0.1:{port}{prefix}"
        self.start()


def _configuration(port: int, upstream: int, prefix: str) -> dict[str, Any]:
    listener = {
        "name": "entry",
        "address": _loopback(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _connections(prefix)}]}],
    }
    cluster = {
        "name": "published",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_connections": 1}]},
        "load_assignment": {
            "cluster_name": "published",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _loopback(upstream)}}]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _connections(prefix: str) -> dict[str, Any]:
    forwarded = {
        "header": {"key": "X-Forwarded-Prefix", "value": prefix},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    route: dict[str, Any] = {
        "match": {"prefix": f"{prefix}/"},
        "route": {"cluster": "published", "prefix_rewrite": "/", "timeout": "60s"},
        "request_headers_to_add": [forwarded] if prefix else [],
    }
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    return {
        "codec_type": "HTTP1",
        "delayed_close_timeout": "0.05s",
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "entry",
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "http_protocol_options": {"accept_http_10": True},
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
    }


def _loopback(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
