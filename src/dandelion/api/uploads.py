"""Bodies that a route reads itself as they arrive, within the limits, and their OpenAPI schemas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from dandelion.errors import ClientGoneError, MediaTypeError, UploadError, UploadTooLargeError
from dandelion.settings import ApiSettings

FIELD = "file"
_EXAMPLE = "Send `curl -F file=@photo.jpg` or `curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg`."
_BYTES = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
_FORM = Schema(
    type=OpenAPIType.OBJECT,
    properties={"file": Schema(type=OpenAPIType.ARRAY, items=_BYTES, min_items=1)},
    required=["file"],
)


@dataclass
class PhotoOperation(Operation):
    """A route that accepts photos."""

    def __post_init__(self) -> None:
        self.request_body = _body({"multipart/form-data": _FORM, "image/*": _BYTES, "application/octet-stream": _BYTES})


@dataclass
class LabelFileOperation(Operation):
    """A route that accepts a label file."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        self.request_body = _body({"text/csv": text, "application/x-ndjson": text, "application/jsonl": text})


async def read_photos(request: Request[Any, Any, Any], limits: ApiSettings) -> list[bytes]:
    """Read the photos of a request: the files of a multipart form, or the body itself.

    Raises:
        MediaTypeError: The body is neither multipart nor an image.
        UploadError: The form has no photo in a field `file`, or is malformed.
        UploadTooLargeError: Too many bytes or photos.
        ClientGoneError: The client disconnected.
    """
    media_type, options = request.content_type
    is_form = media_type == "multipart/form-data"
    if not (is_form or media_type.startswith("image/") or media_type == "application/octet-stream"):
        raise MediaTypeError(f"A body of type {media_type or 'none'!r} is not supported.", _EXAMPLE)
    if is_form:
        return await _read_form(request, options.get("boundary", ""), limits)
    return [await read_body(request, limits)]


async def read_body(request: Request[Any, Any, Any], limits: ApiSettings) -> bytes:
    """Read a body of any type, within the same limits.

    Raises:
        UploadTooLargeError: Too many bytes.
        ClientGoneError: The client disconnected.
    """
    return b"".join([chunk async for chunk in _chunks(request, limits.max_upload_bytes)])


async def _read_form(request: Request[Any, Any, Any], boundary: str, limits: ApiSettings) -> list[bytes]:
    photos: list[bytes] = []
    fields: list[str] = []
    payload: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_header_count=16) as parser:
            segment: MultipartSegment | None = None
            async for chunk in _chunks(request, limits.max_upload_bytes):
                for event in parser.parse(chunk):
                    if isinstance(event, MultipartSegment):
                        segment, payload = event, []
                    elif event is not None:
                        payload.append(bytes(event))
                    elif segment is not None:
                        fields.append(segment.name or "")
                        if segment.name == FIELD:
                            photos.append(b"".join(payload))
                        if len(photos) > limits.max_files:
                            raise UploadTooLargeError(
                                f"More than {limits.max_files} photos in one request.",
                                "Send several requests, or raise DANDELION_API__MAX_FILES.",
                            )
    except MultipartError as error:
        raise UploadError(f"The form is malformed ({error}).", _EXAMPLE) from error
    if not photos:
        named = ", ".join(repr(name[:40]) for name in fields[:5]) or "none"
        raise UploadError(f"The form has no field {FIELD!r}; its fields: {named}.", _EXAMPLE)
    return photos


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
