"""Bodies that clients send."""

from __future__ import annotations

import base64

from tests.photos import jpeg

MiB = 1024 * 1024
MULTIPART = b"Content-Type: multipart/form-data; boundary=X"


def form(
    disposition: bytes = b'; filename="a.jpg"',
    *,
    field: bytes = b"file",
    boundary: bytes = b"X",
    end: bytes = b"",
    photo: bytes | None = None,
) -> bytes:
    """A form with one part."""
    return b"".join(
        [
            b"--" + boundary + end + b"\r\n",
            b'Content-Disposition: form-data; name="' + field + b'"' + disposition + b"\r\n\r\n",
            jpeg() if photo is None else photo,
            b"\r\n--" + boundary + b"--" + end + b"\r\n",
        ]
    )


def base64_of(photo: bytes) -> str:
    return base64.b64encode(photo).decode()
