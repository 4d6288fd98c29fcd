"""What S3 requests are signed with: our keys, or temporary credentials that the cloud gives a workload."""

from __future__ import annotations

import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from xml.etree.ElementTree import ParseError

import structlog
import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider, StaticProvider
from typing_extensions import override

from dandelion.errors import ObjectStoreError
from dandelion.objects.connections import RETRIES, Pool
from dandelion.settings import S3Settings

log = structlog.get_logger(__name__)

# How long before their end credentials are renewed, and the seconds between two attempts until then.
_AHEAD = timedelta(minutes=5)
_PAUSE_SECONDS = 30.0
# Where a node tells its pods who they are: the agent of EKS Pod Identity, and the machine. A proxy is elsewhere.
_NODE = frozenset({"169.254.170.23", "[fd00:ec2::23]", "169.254.169.254", "[fd00:ec2::254]"})


class CloudIdentity(Provider):
    """Temporary credentials of the workload, renewed minutes before they expire.

    The cloud's variables say where they come from: a web identity token (`AWS_WEB_IDENTITY_TOKEN_FILE`, as IRSA sets
    it), an agent on the node (`AWS_CONTAINER_CREDENTIALS_FULL_URI`, EKS Pod Identity), or else the machine's role.
    `AWS_ENDPOINT_URL_STS` may name another token service than Amazon's, such as MinIO's.
    """

    def __init__(self, options: S3Settings) -> None:
        self._options = options
        self._pool = _IdentityPool(options)
        self._renewal = threading.Lock()
        self._held: Credentials | None = None
        self._next_attempt = 0.0
        self._failure: ObjectStoreError | None = None
        self._failed_at = 0.0

    @override
    def retrieve(self) -> Credentials:
        asked_at = time.monotonic()
        held = self._held
        valid = held if held and not held.is_expired() else None
        if valid and (_lasts(valid) or asked_at < self._next_attempt):
            return valid
        # One thread renews. The others go on with what is valid, else they wait for its outcome.
        if not self._renewal.acquire(blocking=valid is None) and valid:
            return valid
        try:
            if self._held and self._held is not held:
                return self._held
            if self._failure and self._failed_at > asked_at:
                raise self._failure
            return self._renew(valid)
        finally:
            self._renewal.release()

    def _renew(self, valid: Credentials | None) -> Credentials:
        """New credentials; if there are none to be had, those that are still valid."""
        try:
            found = self._held = self._ask()
        except ObjectStoreError as error:
            self._failure, self._failed_at = error, time.monotonic()
            if valid is None:
                raise
            log.warning("credentials_not_renewed", valid_until=f"{valid.expiration} UTC", reason=str(error))
            found = valid
        self._next_attempt = time.monotonic() + _PAUSE_SECONDS
        return found

    def _ask(self) -> Credentials:
        service = os.environ.get("AWS_ENDPOINT_URL_STS") if "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ else None
        region = self._options.region
        try:
            # It would hold its credentials until the last seconds, so each time it is another.
            return IamAwsProvider(custom_endpoint=service, http_client=self._pool, region=region).retrieve()
        except (
            *(ValueError, LookupError, TypeError, AttributeError, ParseError, OSError),  # an answer of another kind
            urllib3.exceptions.HTTPError,
        ) as error:
            reason = _reason(error)
        # Outside of the block: what minio-py and urllib3 say may contain a URL with a secret, also in a traceback.
        raise ObjectStoreError(
            f"The cloud gave no credentials for {self._options.url} ({reason}).",
            "Check the role that the ServiceAccount's annotation names, and AWS_ROLE_ARN and "
            "AWS_WEB_IDENTITY_TOKEN_FILE in the pod.",
        )


class _RefusedError(ValueError):
    """A token service or an agent answered, and not with credentials."""


class _IdentityPool(Pool):
    """Connections to token services and agents, which keep the token out of URLs and say why it is refused."""

    def __init__(self, options: S3Settings) -> None:
        super().__init__(options, RETRIES.new(allowed_methods=None, raise_on_status=False), direct=_NODE)

    @override
    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        address, _, query = url.partition("?")
        if query:
            # URLs are in the errors of clients, and in the logs of servers and proxies.
            kw |= {"body": query, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
        response = super().urlopen(method, address, redirect, **kw)
        if response.status >= 300:
            sent = [*parse_qs(query).get("WebIdentityToken", []), (kw["headers"] or {}).get("Authorization", "")]
            host = urllib3.util.parse_url(address).host
            raise _RefusedError(f"{host} answered {response.status}{_explanation(response.data, sent)}")
        return response


def _lasts(credentials: Credentials) -> bool:
    end = credentials.expiration  # in UTC, without a zone
    return end is None or end.replace(tzinfo=UTC) - datetime.now(UTC) > _AHEAD


def _explanation(body: bytes, sent: list[str]) -> str:
    """What an answer says of its refusal: code and message in XML, or plain text; nothing of a web page."""
    text = body.decode("utf-8", "replace")
    found = re.search(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*))?", text)
    if found:
        text = ": ".join(filter(None, found.groups()))
    elif text.lstrip().startswith("<"):
        return ""
    for secret in filter(None, sent):
        text = text.replace(secret, "***")
    said = " ".join(text.split())[:200]
    return f", {said}" if said else ""


def _reason(error: Exception) -> str:
    """What an error says, without the paths and queries of URLs."""
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason:
        error = error.reason
    text = re.sub(r"(https?://[^\s/?]+)\S*", r"\1", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:200]}"


def create_credentials(options: S3Settings) -> Provider | None:
    """What requests are signed with: the workload's identity, our keys, or nothing."""
    if options.workload_identity:
        return CloudIdentity(options)
    if options.access_key is None or options.secret_key is None:
        return None
    return StaticProvider(options.access_key.get_secret_value(), options.secret_key.get_secret_value())
