"""A proxy that publishes a server under a path: it removes the path from requests and says so."""

from __future__ import annotations

import re
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def published(port: int, prefix: str) -> Iterator[str]:
    """Publish the server on a port of this machine under a prefix, until the block ends; the URL with the prefix."""

    class Handler(socketserver.StreamRequestHandler):
        """One request a connection."""

        def handle(self) -> None:
            lines = list(iter(self.rfile.readline, b"\r\n"))
            if not lines:
                return
            first, found = re.subn(rb" " + prefix.encode() + rb"(?:/|(?= ))", b" /", lines[0], count=1)
            if not found:
                self.wfile.write(NOT_FOUND)
                return
            head = [first, *(line for line in lines[1:] if not line.lower().startswith(b"connection:"))]
            head += [b"X-Forwarded-Prefix: " + prefix.encode() + b"\r\n", b"Connection: close\r\n", b"\r\n"]
            with socket.create_connection(("127.0.0.1", port)) as inner, suppress(OSError):
                inner.sendall(b"".join(head))
                threading.Thread(target=_pump, args=(self.rfile, inner), daemon=True).start()
                with inner.makefile("rb", buffering=0) as answer:
                    shutil.copyfileobj(answer, self.wfile)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
        server.shutdown()


def _pump(source: BufferedIOBase, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.read1(65536):
            target.sendall(data)
