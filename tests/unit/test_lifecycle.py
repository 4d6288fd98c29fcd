"""One rule among a bucket's: it changes when its days do, and nothing else does."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from minio.error import InvalidResponseError
from urllib3 import HTTPResponse

from dandelion.objects.lifecycle import Lifecycle
from dandelion.objects.responses import read_document

THEIRS = (
    "<Rule><Prefix>predicted/</Prefix><Status>Enabled</Status><Expiration><Days>90</Days></Expiration></Rule>"
    "<Rule><ID>large</ID><Filter><And><Prefix>a/</Prefix><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></And></Filter>"
    "<Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>"
    "<Rule><ID>all</ID><Filter /><Status>Enabled</Status><Expiration><Days>365</Days></Expiration></Rule>"
)


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_others_rules_stay_as_they_came(namespace: str) -> None:
    document = f"<LifecycleConfiguration{namespace}>{THEIRS}</LifecycleConfiguration>"
    lifecycle = Lifecycle(read_document(HTTPResponse(document.encode())))
    assert lifecycle.ours is None
    for days in (7, 8):
        assert lifecycle.retain("predicted/", days)
        assert lifecycle.ours is not None
        text = lifecycle.write().decode()
        assert THEIRS in text
        assert text.count("<Rule>") == 4
        assert f"<Days>{days}</Days>" in text


@pytest.mark.parametrize(("prefix", "days"), [("predicted/", 7), ("", 35), ("", None)])
def test_a_rule_that_is_there_is_not_written_again(prefix: str, days: int | None) -> None:
    lifecycle = Lifecycle()
    assert lifecycle.retain(prefix, days)
    told = ET.fromstring(lifecycle.write())  # noqa: S314 -- of our own making
    for each in told:
        each[:] = reversed(each)
    answer = HTTPResponse(ET.tostring(told))
    assert not Lifecycle(read_document(answer)).retain(prefix, days)
    assert Lifecycle(read_document(answer)).retain(prefix, 3)


@pytest.mark.parametrize(("days", "earlier"), [(90, "1"), (None, "30")])
def test_what_expires_is_gone_a_day_later(days: int | None, earlier: str) -> None:
    lifecycle = Lifecycle()
    lifecycle.retain("predicted/", days)
    assert f"<NoncurrentDays>{earlier}</NoncurrentDays>" in lifecycle.write().decode()


@pytest.mark.parametrize("document", [b"no rules", b"\xff", b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'])
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidResponseError, match=r"declares|syntax error|not well-formed"):
        read_document(HTTPResponse(document))
