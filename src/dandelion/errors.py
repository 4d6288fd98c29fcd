"""Every error that Dandelion raises on purpose.

    DandelionError
    ├── SettingsError ── PortInUseError
    ├── PhotoError ── NotAnImageError, UnsupportedFormatError, PhotoTooLargeError, TensorError
    ├── UploadError ── MediaTypeError, ContentCodingError, UploadTooLargeError, SlowUploadError, ClientGoneError
    ├── OverloadedError ── RateLimitedError, JournalFullError
    ├── AuthenticationError, ScopeError, ForeignOriginError, ApiKeyError
    ├── UnreachableError, NotReadyError
    ├── PackageError
    ├── RegistryError ── VersionNotFoundError
    ├── DatabaseError ── RowRefusedError
    ├── ObjectStoreError ── ObjectNotFoundError, ObjectKeyError, ObjectCorruptError
    ├── PredictionNotFoundError, FeedbackError, FeedbackFileError
    ├── DataError, BatchError, BackupError
    ├── MonitoringError
    ├── OrchestrationError ── FlowRunNotFoundError
    ├── ReleaseError
    └── TrainingError ── UnknownModelError, ParityError

Messages name the value and the remedy. Nothing here knows HTTP: one table in `dandelion.api.problems` maps errors to
statuses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any


class DandelionError(Exception):
    """Something that a user or an operator can act on.

    Attributes:
        message: What is wrong, with the offending value.
        remedy: What to do about it; may be empty if the message says so already.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    @classmethod
    def reason(cls) -> str:
        """The condition as a word for programs: `not_an_image` for NotAnImageError."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()


class SettingsError(DandelionError):
    """A setting is unknown, malformed or contradicts another."""


class PortInUseError(SettingsError):
    """Another process listens on a port that Dandelion needs."""


class PhotoError(DandelionError):
    """A photo cannot be classified."""


class NotAnImageError(PhotoError):
    """The bytes are not an image, or are truncated."""


class UnsupportedFormatError(PhotoError):
    """An image in a format that is not supported."""


class PhotoTooLargeError(PhotoError):
    """Too many bytes or pixels."""


class TensorError(PhotoError):
    """An inference request or one of its tensors cannot be read, or does not fit the model."""


class UploadError(DandelionError):
    """A request without a photo where one is expected."""


class MediaTypeError(UploadError):
    """A body of a media type that is not supported."""


class ContentCodingError(UploadError):
    """A body in a coding (`Content-Encoding`) that cannot be undone here.

    Attributes:
        accepted: The codings that can.
    """

    def __init__(self, message: str, remedy: str = "", *, accepted: Sequence[str] = ()) -> None:
        super().__init__(message, remedy)
        self.accepted = accepted


class UploadTooLargeError(UploadError):
    """More bytes or more photos than one request may carry."""


class SlowUploadError(UploadError):
    """The body took too long to arrive."""


class ClientGoneError(UploadError):
    """The client disconnected before its body was complete."""


class OverloadedError(DandelionError):
    """A queue is full.

    Attributes:
        retry_after_seconds: After which time a retry is likely to succeed.
    """

    def __init__(self, message: str, remedy: str = "", *, retry_after_seconds: int = 1) -> None:
        super().__init__(message, remedy)
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(OverloadedError):
    """A caller exceeds its rate limit.

    Attributes:
        status: The caller's rate limit, and what is left of it.
    """

    def __init__(self, message: str, remedy: str = "", *, status: Any = None) -> None:
        super().__init__(message, remedy, retry_after_seconds=status.reset_seconds if status else 1)
        self.status = status


class AuthenticationError(DandelionError):
    """A credential is unknown, expired or revoked.

    Attributes:
        is_missing: Whether no credential was sent.
    """

    def __init__(self, message: str, remedy: str = "", *, is_missing: bool = False) -> None:
        super().__init__(message, remedy)
        self.is_missing = is_missing


class ScopeError(DandelionError):
    """A known caller lacks a scope.

    Attributes:
        scope: The scope that is needed.
    """

    def __init__(self, message: str, remedy: str = "", *, scope: str = "") -> None:
        super().__init__(message, remedy)
        self.scope = scope


class ForeignOriginError(DandelionError):
    """A page of another site, whose origin is not allowed, sent the request."""


class ApiKeyError(DandelionError):
    """A key cannot be created or revoked."""


class UnreachableError(DandelionError):
    """A server does not answer."""


class NotReadyError(DandelionError):
    """No model is loaded yet, or the process is draining."""


class PackageError(DandelionError):
    """A model package is incomplete or was altered."""


class RegistryError(DandelionError):
    """The model registry did not answer, or failed."""


class VersionNotFoundError(RegistryError):
    """The registry has no such version or alias."""


class DatabaseError(DandelionError):
    """The database did not answer, or refused the request."""


class RowRefusedError(DatabaseError):
    """The database will never accept these values."""


class ObjectStoreError(DandelionError):
    """The object store did not answer, or refused the request."""


class ObjectNotFoundError(ObjectStoreError):
    """There is no such object."""


class ObjectAccessError(ObjectStoreError):
    """The object store knows no such keys, or does not allow them what was requested."""


class ObjectKeyError(ObjectStoreError):
    """A key that not every store accepts."""


class ObjectCorruptError(ObjectStoreError):
    """An object differs from what was written."""


class JournalFullError(OverloadedError):
    """Predictions can be stored neither on disk nor in the database, so none is returned."""


class PredictionNotFoundError(DandelionError):
    """No prediction of that id is stored."""


class FeedbackError(DandelionError):
    """The model has no class for a label."""


class FeedbackFileError(DandelionError):
    """A label file cannot be read at all."""


class DataError(DandelionError):
    """A data folder cannot be used as it is."""


class MonitoringError(DandelionError):
    """Prometheus did not answer, or does not scrape this installation."""


class OrchestrationError(DandelionError):
    """Prefect did not answer, or refused the request."""


class FlowRunNotFoundError(OrchestrationError):
    """Prefect has no such run."""


class ReleaseError(DandelionError):
    """A version does not serve as it should, or its alias could not be moved."""


class BatchError(DandelionError):
    """A batch of photos cannot be read, or its predictions cannot be written."""


class BackupError(DandelionError):
    """A backup cannot be created, found or restored, or differs from its source."""


class TrainingError(DandelionError):
    """A training run cannot start or continue."""


class UnknownModelError(TrainingError):
    """timm has no model of that name."""


class ParityError(TrainingError):
    """An exported graph disagrees with its torch model."""


@cache
def errors_by_reason() -> dict[str, type[DandelionError]]:
    """Every error by its `reason()`, so that a client raises what the server raised."""
    found, kinds = {}, [DandelionError]
    while kinds:
        kind = kinds.pop()
        found[kind.reason()] = kind
        kinds += kind.__subclasses__()
    return found
