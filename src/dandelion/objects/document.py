"""XML responses of an S3 server that minio-py parses incompletely or refuses."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from minio.error import InvalidResponseError
from urllib3 import BaseHTTPResponse


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
