"""Responses of an S3 server that minio-py parses incompletely or refuses: XML documents, and lists of versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from minio import Minio
from minio.error import InvalidResponseError
from urllib3 import BaseHTTPResponse

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

    minio-py can list them, too, but it parses their times and refuses those with nanoseconds, which some servers send.

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


def read_document(response: BaseHTTPResponse) -> ET.Element:
    """The elements of a response, by names without a namespace, which only some servers send.

    Raises:
        InvalidResponseError: The response is not such a document.
    """
    text = response.data.decode(errors="replace")
    if "<!DOCTYPE" in text:
        raise InvalidResponseError(response.status, response.headers.get("content-type"), "it declares a document type")
    try:
        root = ET.fromstring(text)  # noqa: S314 -- without a declared type there is nothing to expand
    except ET.ParseError as error:
        raise InvalidResponseError(response.status, response.headers.get("content-type"), str(error)) from error
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    return root
