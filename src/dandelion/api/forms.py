"""Photos in multipart forms, as browsers, cameras and programs of all ages write them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from dandelion.api.fields import EXAMPLE, is_taken, missing, too_many
from dandelion.errors import UploadError

_MAX_HEADER_BYTES = 64 * 1024  # a file name of any length that a system allows, with each byte written as %XX
_MAX_HEADER_LINES = 32  # of a part
_MAX_OTHER_FIELDS = 64
_MAX_BLANKS = 64  # after a boundary
_PIECE_BYTES = 64 * 1024  # parsed in one go; other requests run between two
# Not every client quotes a boundary with `=` or `/` in it, as it should.
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]*)"|([^;]*))', re.IGNORECASE)
# A quoted value goes to the quote before the next parameter. Without one it ends at the next quote: some clients escape
# quotes in file names, others write `C:\photos\`.
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"(?=\s*(?:;|$))|"([^"]*)"|([^;\s]*))')


def boundary_of(content_type: str, head: bytes) -> str:
    """The boundary of a form: the header's, else the first line's, for clients that set the header themselves."""
    if found := _BOUNDARY.search(content_type):
        return (found[1] or found[2] or "").rstrip()
    line, end, _ = head.partition(b"\r\n")
    return line[2:].decode("latin-1").rstrip() if end and line.startswith(b"--") else ""


async def read_form(head: bytes, chunks: AsyncIterator[bytes], boundary: str, max_files: int) -> list[bytes]:
    """The photos of a form, in its order. Names of files and types of parts play no role.

    Args:
        head: The first bytes.
        chunks: The bytes that follow.
        boundary: What separates the parts.
        max_files: Maximum number of photos.

    Raises:
        UploadError: The form has no field with a photo, or is malformed.
        UploadTooLargeError: Too many photos.
    """
    photos: list[bytes] = []
    fields: list[str] = []
    payload: list[bytes] = []
    try:
        with _Parser(boundary.encode("latin-1"), max_files + _MAX_OTHER_FIELDS) as parser:
            name = ""
            pieces = _pieces(head, chunks)
            if _is_padded(head, parser.boundary):
                pieces = _without_padding(pieces, parser.boundary)
            async for piece in pieces:
                for event in parser.parse(piece):
                    if isinstance(event, MultipartSegment):
                        name, payload = _name_of(event), []
                    elif event is not None:
                        payload.append(bytes(event))
                    else:
                        fields.append(name)
                        if is_taken(name):
                            photos.append(b"".join(payload))
                        if len(photos) > max_files:
                            raise too_many(max_files)
    except MultipartError as error:
        raise UploadError(f"The form is malformed ({error}).", EXAMPLE) from error
    if not photos:
        raise missing("The form", fields)
    return photos


class _Parser(PushMultipartParser):  # type: ignore[misc]  # the library has no types
    """Limits the number of parts, and the lines of a part's headers: to each the parser joins those that continue it.

    File names come in any encoding. In Latin-1 every byte means something.
    """

    def __init__(self, boundary: bytes, max_parts: int) -> None:
        super().__init__(
            boundary,
            header_charset="latin-1",
            max_header_size=_MAX_HEADER_BYTES,
            max_header_count=_MAX_HEADER_LINES,
            max_segment_count=max_parts,
        )
        self._lines = 0

    def _on_segment_start(self) -> None:
        self._lines = 0
        super()._on_segment_start()

    def _on_segment_headerline(self, line: bytes) -> None:
        self._lines += 1
        if self._lines > _MAX_HEADER_LINES:
            raise ParserLimitReached("Maximum segment header lines exceeded")
        super()._on_segment_headerline(line)


def _name_of(part: MultipartSegment) -> str:
    for found in _PARAMETER.finditer(part.header("Content-Disposition", "") or ""):
        if found[1].lower() == "name":
            return (found[2] or found[3] or found[4] or "").encode("latin-1").decode(errors="replace")
    return ""


async def _pieces(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    chunk: bytes | None = head
    while chunk is not None:
        for start in range(0, len(chunk), _PIECE_BYTES):
            if start:
                await asyncio.sleep(0)
            yield chunk[start : start + _PIECE_BYTES]
        chunk = await anext(chunks, None)


def _is_padded(head: bytes, boundary: bytes) -> bool:
    """Whether blanks follow the first boundary: who pads one pads each."""
    before, _, after = head.partition(b"--" + boundary)
    return len(before) < len(head) and after[:1] in {b" ", b"\t"}


async def _without_padding(pieces: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """The bytes of a form, less the blanks that may follow a boundary (RFC 2046, section 5.1.1)."""
    padded = re.compile(rb"(\r\n--%b)[ \t]{1,%d}(?=\r\n)" % (re.escape(boundary), _MAX_BLANKS))
    kept_bytes = len(boundary) + _MAX_BLANKS + 6  # the longest match, which may continue in the next piece
    rest = b"\r\n"  # before the first boundary, too
    async for piece in pieces:
        rest = padded.sub(rb"\1", rest + piece)
        if len(rest) > kept_bytes:
            yield rest[:-kept_bytes]
            rest = rest[-kept_bytes:]
    yield rest
