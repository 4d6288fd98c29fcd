"""Every error that Dandelion raises on purpose.

    DandelionError
    ├── SettingsError               a setting is unknown, malformed or contradicts another
    │   └── PortInUseError          somebody else listens where we were told to
    ├── PhotoError                  what was sent cannot be classified
    │   ├── NotAnImageError         the bytes are no picture, or are cut off
    │   ├── UnsupportedFormatError  a picture, in a format that is not read here
    │   └── PhotoTooLargeError      too many bytes or pixels
    ├── UploadError                 a request that carries no photo where one is expected
    │   ├── MediaTypeError          a body of a type that is not taken
    │   ├── UploadTooLargeError     more bytes or more photos than one request may carry
    │   ├── SlowUploadError         the body took too long to arrive
    │   └── ClientGoneError         the client hung up before its body was complete
    ├── OverloadedError             the queue is full; try again
    │   └── RateLimitedError        one caller asks more often than it may
    ├── AuthenticationError         nobody knows this credential, or it is over
    ├── ScopeError                  somebody known who may not do this
    ├── ForeignOriginError          a browser sent it for a page of another site
    ├── ApiKeyError                 a key that cannot be made or revoked
    ├── UnreachableError            a server that we ask does not answer
    ├── NotReadyError               no model is loaded yet, or the process is draining
    ├── PackageError                a model package is incomplete or was altered
    ├── RegistryError               MLflow did not answer
    │   └── VersionNotFoundError    no such version or alias
    ├── DatabaseError               MySQL or SQLite did not answer, or refused
    │   └── RowRefusedError         it answered, and will never take these values
    ├── ObjectStoreError            the object store did not answer, or refused
    │   ├── ObjectNotFoundError     no such object
    │   ├── ObjectKeyError          a name that not every store takes
    │   └── ObjectCorruptError      an object reads back differently from what was written
    ├── JournalFullError            predictions can be kept neither on disk nor in the database
    ├── PredictionNotFoundError     no prediction of that id is stored
    ├── FeedbackError               a label that the model has no class for
    ├── FeedbackFileError           a file of labels that cannot be read at all
    ├── DataError                   a data folder cannot be used as it is
    ├── MonitoringError             Prometheus did not answer
    ├── OrchestrationError          Prefect did not answer, or refused
    │   └── FlowRunNotFoundError    no such flow run
    ├── ReleaseError                a version does not serve as it should
    ├── BatchError                  a batch of photos cannot be read, or its answers not be written
    ├── BackupError                 a backup cannot be made, found or restored, or differs from what it was made of
    └── TrainingError               a training run cannot start or go on
        ├── UnknownModelError       timm has no model of that name
        └── ParityError             the exported graph disagrees with torch

Messages name the value and say what to do. Nothing here knows HTTP: `dandelion.api.problems` maps errors to
statuses in one table.
"""

from __future__ import annotations

from typing import Any


class DandelionError(Exception):
    """Something that a user or an operator can act on.

    Attributes:
        message: What is wrong, with the offending value.
        remedy: What to do about it; may be empty when the message says so already.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class SettingsError(DandelionError):
    """A setting is unknown, malformed or contradicts another."""


class PortInUseError(SettingsError):
    """Another process listens on a port that Dandelion was told to use."""


class PhotoError(DandelionError):
    """What was sent cannot be classified."""


class NotAnImageError(PhotoError):
    """The bytes are no picture, or are cut off."""


class UnsupportedFormatError(PhotoError):
    """A picture, but in a format that is not read here."""


class PhotoTooLargeError(PhotoError):
    """Too many bytes or pixels."""


class UploadError(DandelionError):
    """A request that carries no photo where one is expected."""


class MediaTypeError(UploadError):
    """A body of a type that is not taken."""


class UploadTooLargeError(UploadError):
    """More bytes or more photos than one request may carry."""


class SlowUploadError(UploadError):
    """The body took too long to arrive."""


class ClientGoneError(UploadError):
    """The client hung up before its body was complete."""


class OverloadedError(DandelionError):
    """More photos wait than may wait.

    Attributes:
        retry_after_seconds: When another try is likely to succeed.
    """

    def __init__(self, message: str, remedy: str = "", *, retry_after_seconds: int = 1) -> None:
        super().__init__(message, remedy)
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(OverloadedError):
    """One caller asks more often than it may.

    Attributes:
        status: Where it stands in its window.
    """

    def __init__(self, message: str, remedy: str = "", *, status: Any = None) -> None:
        super().__init__(message, remedy, retry_after_seconds=status.reset_seconds if status else 1)
        self.status = status


class AuthenticationError(DandelionError):
    """Nobody knows this credential, or it is over.

    Attributes:
        is_missing: None was sent.
    """

    def __init__(self, message: str, remedy: str = "", *, is_missing: bool = False) -> None:
        super().__init__(message, remedy)
        self.is_missing = is_missing


class ScopeError(DandelionError):
    """Somebody known who may not do this.

    Attributes:
        scope: What it takes.
    """

    def __init__(self, message: str, remedy: str = "", *, scope: str = "") -> None:
        super().__init__(message, remedy)
        self.scope = scope


class ForeignOriginError(DandelionError):
    """A browser sent it for a page of another site, which may not ask here."""


class ApiKeyError(DandelionError):
    """A key that cannot be made or revoked."""


class UnreachableError(DandelionError):
    """A server that we ask does not answer."""


class NotReadyError(DandelionError):
    """No model is loaded yet, or the process is draining."""


class PackageError(DandelionError):
    """A model package is incomplete or was altered."""


class RegistryError(DandelionError):
    """The model registry did not answer, or answered with a failure."""


class VersionNotFoundError(RegistryError):
    """The registry answered: there is no such version or alias."""


class DatabaseError(DandelionError):
    """The database did not answer, or refused what was asked."""


class RowRefusedError(DatabaseError):
    """The database answered that it will never take these values."""


class ObjectStoreError(DandelionError):
    """The object store did not answer, or refused what was asked."""


class ObjectNotFoundError(ObjectStoreError):
    """There is no such object."""


class ObjectKeyError(ObjectStoreError):
    """A name for an object that not every store takes."""


class ObjectCorruptError(ObjectStoreError):
    """An object reads back differently from what was written."""


class JournalFullError(OverloadedError):
    """Predictions can be kept neither on disk nor in the database, so none is given."""


class PredictionNotFoundError(DandelionError):
    """No prediction of that id is stored."""


class FeedbackError(DandelionError):
    """A label that the model has no class for."""


class FeedbackFileError(DandelionError):
    """A file of labels that cannot be read at all."""


class DataError(DandelionError):
    """A data folder cannot be used as it is."""


class MonitoringError(DandelionError):
    """Prometheus did not answer."""


class OrchestrationError(DandelionError):
    """Prefect did not answer, or refused what was asked."""


class FlowRunNotFoundError(OrchestrationError):
    """Prefect knows no such run."""


class ReleaseError(DandelionError):
    """A version does not serve as it should, or could not be moved."""


class BatchError(DandelionError):
    """A batch of photos cannot be read, or its answers cannot be written."""


class BackupError(DandelionError):
    """A backup cannot be made, found or restored, or differs from what it was made of."""


class TrainingError(DandelionError):
    """A training run cannot start or go on."""


class UnknownModelError(TrainingError):
    """timm has no model of that name."""


class ParityError(TrainingError):
    """An exported graph answers differently from the torch model it came from."""
