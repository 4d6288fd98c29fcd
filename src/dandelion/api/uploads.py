"""Bodies that a route reads itself as they arrive, within the limits, and their OpenAPI schemas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Request
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from dandelion.api import encoded
from dandelion.api.forms import boundary_of, read_form
from dandelion.errors import ClientGoneError, UploadTooLargeError
from dandelion.settings import ApiSettings

_HEAD_BYTES = 512  # what shows the kind of a body: a photo's signature, the first line of a form
_MAX_INLINE_BYTES = 128 * 1024  # of JSON: less is read sooner than a thread starts; megabytes take dozens of ms
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")  # of photos, with which neither form nor JSON begins
_BLANKS = b"\xef\xbb\xbf \t\r\n"  # before JSON: a byte order mark, and white space
_BYTES = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
_FORM = Schema(
    type=OpenAPIType.OBJECT,
    properties={"file": Schema(type=OpenAPIType.ARRAY, items=_BYTES, min_items=1)},
    required=["file"],
)
_BASE64 = Schema(type=OpenAPIType.STRING, description="The bytes of a photo in base64, or a `data:` URL of them.")
_JSON = Schema(
    one_of=[
        Schema(type=OpenAPIType.OBJECT, properties={"image": _BASE64}, required=["image"]),
        Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "instances": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.OBJECT, properties={"b64": _BASE64}, required=["b64"]),
                    min_items=1,
                )
            },
            required=["instances"],
        ),
    ]
)


@dataclass
class PhotoOperation(Operation):
    """A route that accepts photos."""

    def __post_init__(self) -> None:
        self.request_body = _body(
            {
                "multipart/form-data": _FORM,
                "image/*": _BYTES,
                "application/octet-stream": _BYTES,
                "application/json": _JSON,
            }
        )


@dataclass
class LabelFileOperation(Operation):
    """A route that accepts a label file."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        self.request_body = _body({"text/csv": text, "application/x-ndjson": text, "application/jsonl": text})


@dataclass(frozen=True, slots=True)
class Upload:
    """The photos of a request, and whether it sent them as a list, which may hold one."""

    photos: list[bytes]
    is_list: bool


async def read_photos(request: Request[Any, Any, Any], limits: ApiSettings) -> Upload:
    """Read the photos of a request: the files of a multipart form, base64 in JSON, or the body itself.

    The first bytes decide which, because many programs send a wrong `Content-Type` or none.

    Raises:
        UploadError: The form or the JSON has no photo in a field that is taken, or is malformed.
        UploadTooLargeError: Too many bytes or photos.
        ClientGoneError: The client disconnected.
    """
    chunks = _chunks(request, limits.max_upload_bytes)
    head = b""
    async for chunk in chunks:
        head = head + chunk if head else chunk
        if len(head) >= _HEAD_BYTES:
            break
    if not head.startswith(_SIGNATURES) and head[4:8] != b"ftyp":
        sent = request.headers.get("content-type", "")
        if sent[:10].lower() == "multipart/" or head.startswith(b"--"):
            photos = await read_form(head, chunks, boundary_of(sent, head), limits.max_files)
            return Upload(photos, is_list=len(photos) > 1)
        if head.lstrip(_BLANKS)[:1] in {b"{", b"["}:
            text = (await _join(head, chunks)).lstrip(_BLANKS)
            read = partial(encoded.read_photos, text, limits.max_files)
            photos, is_list = await asyncio.to_thread(read) if len(text) > _MAX_INLINE_BYTES else read()
            return Upload(photos, is_list=is_list)
    return Upload([await _join(head, chunks)], is_list=False)


async def read_body(request: Request[Any, Any, Any], limits: ApiSettings) -> bytes:
    """Read a body of any type, within the same limits.

    Raises:
        UploadTooLargeError: Too many bytes.
        ClientGoneError: The client disconnected.
    """
    return await _join(b"", _chunks(request, limits.max_upload_bytes))


async def _join(head: bytes, chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([head, *[chunk async for chunk in chunks]])


async def _chunks(request: Request[Any, Any, Any], limit: int) -> AsyncIterator[bytes]:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:19]) > limit:  # Python refuses to parse very long numbers
        raise _too_large(limit)
    received = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise ClientGoneError(f"The client disconnected after {received} bytes.")
        if body := event["body"]:
            received += len(body)
            if received > limit:
                raise _too_large(limit)
            yield body
        if not event.get("more_body", False):
            return


def _too_large(limit: int) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"The body is larger than {limit:,} bytes.",
        "Send smaller photos, or raise DANDELION_API__MAX_UPLOAD_BYTES.",
    )


def _body(content: dict[str, Any]) -> RequestBody:
    return RequestBody(required=True, content={kind: OpenAPIMediaType(schema=each) for kind, each in content.items()})
