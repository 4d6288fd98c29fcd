"""The names under which clients send photos, in forms and in JSON."""

from __future__ import annotations

import re

from dandelion.errors import UploadError, UploadTooLargeError

# `file`, `files`, `file[]`, `Images[0]` ...
_TAKEN = re.compile(r"(?:file|image|photo|upload)s?(?:\[\w*\])?", re.IGNORECASE)
EXAMPLE = (
    "Send `curl -F file=@photo.jpg` or `curl --data-binary @photo.jpg`, a form with one or more fields `file`, "
    '`image`, `photo` or `upload`, or JSON such as {"image": "<base64>"} or {"instances": [{"b64": "<base64>"}]}.'
)


def is_taken(name: str) -> bool:
    """Whether a field of this name holds photos."""
    return _TAKEN.fullmatch(name) is not None


def missing(where: str, names: list[str]) -> UploadError:
    """The error of a form or of JSON with fields of other names only."""
    named = ", ".join(repr(name[:40]) for name in names[:5]) or "none"
    return UploadError(f"{where} has no field with a photo; its fields: {named}.", EXAMPLE)


def too_many(limit: int) -> UploadTooLargeError:
    """The error of a request with too many photos."""
    return UploadTooLargeError(
        f"More than {limit} photos in one request.", "Send several requests, or raise DANDELION_API__MAX_FILES."
    )
