"""What an S3 server answers, where minio-py leaves out some of it or refuses it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from minio.error import InvalidResponseError
from urllib3 import BaseHTTPResponse


def read_document(answer: BaseHTTPResponse) -> ET.Element:
    """The elements of an answer, by names without a namespace, which some servers tell and others do not.

    Raises:
        InvalidResponseError: It is no such document.
    """
    text = answer.data.decode(errors="replace")
    if "<!DOCTYPE" in text:
        raise InvalidResponseError(answer.status, answer.headers.get("content-type"), "it declares a type of its own")
    try:
        root = ET.fromstring(text)  # noqa: S314 -- without a declared type there is nothing to expand
    except ET.ParseError as error:
        raise InvalidResponseError(answer.status, answer.headers.get("content-type"), str(error)) from error
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    return root
