"""OpenAPI schemas of bodies that a route reads itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

_BYTES = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
_FORM = Schema(
    type=OpenAPIType.OBJECT,
    properties={"file": Schema(type=OpenAPIType.ARRAY, items=_BYTES, min_items=1)},
    required=["file"],
)


def _body(content: dict[str, Any]) -> RequestBody:
    return RequestBody(required=True, content={kind: OpenAPIMediaType(schema=each) for kind, each in content.items()})


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
