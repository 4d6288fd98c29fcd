"""Listing every version of the objects on an S3 server.

minio-py can list them, too, but it parses their times and refuses those with nanoseconds, which some servers send.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from minio import Minio

from dandelion.objects.document import read_document

PAGE = 1000


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object.

    Attributes:
        key: The object's key.
        id: None if the server stores no versions.
        is_deletion: Whether it is a deletion marker, without bytes: the object was deleted or has expired.
    """

    key: str
    id: str | None = None
    is_deletion: bool = False


def list_versions(client: Minio, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Versions of the objects whose keys begin with `prefix`.

    Raises:
        S3Error: The server refuses, or has no versions.
        InvalidResponseError: The response is not a list of versions.
    """
    query: dict[str, str | list[str] | tuple[str]] = {"versions": "", "delimiter": "", "encoding-type": "url"}
    query |= {"max-keys": str(PAGE), "prefix": prefix}
    while True:
        page = read_document(client._execute("GET", bucket, query_params=query))
        read = unquote_plus if page.findtext("EncodingType") == "url" else str
        for each in page:
            if each.tag in {"Version", "DeleteMarker"}:
                yield ObjectVersion(
                    read(each.findtext("Key", "")), each.findtext("VersionId"), is_deletion=each.tag == "DeleteMarker"
                )
        if page.findtext("IsTruncated", "").lower() != "true":
            return
        query["key-marker"] = read(page.findtext("NextKeyMarker", ""))
        query["version-id-marker"] = page.findtext("NextVersionIdMarker", "")
