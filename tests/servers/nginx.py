"""Debian's nginx before a server, set up as docs/serving.md says, with one connection in its pool."""

from __future__ import annotations

import re
from pathlib import Path

from tests.servers import tools
from tests.servers.certificates import Certificate
from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
# What a server needs that is started by nobody's root, and all of whose files lie in one folder.
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream published {{
        server 127.0.0.1:{upstream};
        keepalive 1;
    }}
    server {{
        listen 127.0.0.1:{port} {tls};
        lingering_timeout 200ms;
{location}
    }}
}}
"""


class Nginx(ServerProcess):
    """A proxy that publishes a server under a path, which it removes from requests.

    Args:
        folder: An empty folder for what it writes.
        upstream: The port of the server.
        prefix: The path, such as `/plants`; empty for the root.
        certificate: What it ends HTTPS with; none for HTTP.

    Attributes:
        url: Where the server is published.
    """

    def __init__(self, folder: Path, upstream: int, prefix: str = "", certificate: Certificate | None = None) -> None:
        (port,) = free_ports(1)
        folder.mkdir(exist_ok=True)
        location = _documented().replace("http://127.0.0.1:8000", "http://published")
        location = location.replace("/dandelion/", f"{prefix}/").replace("/dandelion;", f'"{prefix}";')
        tls = f"ssl; ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key}" if certificate else ""
        configuration = CONFIGURATION.format(upstream=upstream, port=port, tls=tls, location=location)
        (folder / "nginx.conf").write_text(configuration)
        argv = [str(tools.find("nginx")), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
        super().__init__(argv, port, folder / "output.log")
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}{prefix}"
        self.start()


def _documented() -> str:
    """The location block of the documentation."""
    (block,) = re.findall(
        r"^    location /dandelion/ \{\n.*?^    \}$", DOCUMENTED.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(block)
