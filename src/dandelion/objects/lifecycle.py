"""The lifecycle rules by which an S3 server expires a bucket's objects: ours, beside those of other people.

The rules of others stay the XML elements that they were. minio-py refuses a filter without conditions, and drops parts
that it does not know when it writes rules back: without its prefix, a rule for one folder empties the bucket.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, NoncurrentVersionExpiration, Rule

_OURS = "dandelion-retention"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_OLD_VERSIONS_DAYS = 30
# An expired object first becomes an earlier version; its bytes go when that expires. S3 accepts one day or more.
_EXPIRED_DAYS = 1


class Lifecycle:
    """A bucket's lifecycle rules.

    Args:
        document: The server's document; None if there is no rule.
    """

    def __init__(self, document: ET.Element | None = None) -> None:
        self._rules = ET.Element("LifecycleConfiguration") if document is None else document
        self._rules.set("xmlns", _NAMESPACE)

    @property
    def ours(self) -> ET.Element | None:
        """Our rule, if the bucket has it."""
        return next((rule for rule in self._rules.findall("Rule") if rule.findtext("ID") == _OURS), None)

    def retain(self, prefix: str, days: int | None) -> bool:
        """Retain objects whose keys begin with `prefix` for so many days; return whether that changes a rule.

        Args:
            prefix: Prefix of the keys.
            days: Days until expiry; the bytes go one day later. With None, only earlier versions expire.
        """
        rule = Rule(
            status=ENABLED,
            rule_filter=Filter(prefix=prefix),
            rule_id=_OURS,
            expiration=Expiration(days=days) if days else None,
            noncurrent_version_expiration=NoncurrentVersionExpiration(
                noncurrent_days=_EXPIRED_DAYS if days else _OLD_VERSIONS_DAYS
            ),
        )
        ours, before = rule.toxml(ET.Element("LifecycleConfiguration")), self.ours
        if before is not None:
            if _facts(before) == _facts(ours):
                return False
            self._rules.remove(before)
        self._rules.append(ours)
        return True

    def write(self) -> bytes:
        """The document for the server."""
        return ET.tostring(self._rules)


def _facts(rule: ET.Element) -> set[tuple[str, str]]:
    """The content of a rule, in any order; servers leave out empty elements."""
    return {(each.tag, each.text.strip()) for each in rule.iter() if each.text and each.text.strip()}
