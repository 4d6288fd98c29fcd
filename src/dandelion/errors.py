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
    ├── NotReadyError               no model is loaded yet, or the process is draining
    ├── PackageError                a model package is incomplete or was altered
    ├── RegistryError               MLflow did not answer
    │   └── VersionNotFoundError    no such version or alias
    ├── DatabaseError               MySQL or SQLite did not answer, or refused
    │   └── RowRefusedError         it answered, and will never take these values
    ├── JournalFullError            predictions can be kept neither on disk nor in the database
    ├── PredictionNotFoundError     no prediction of that id is stored
    ├── FeedbackError               a truth that the model has no class for
    ├── DataError                   a data folder cannot be used as it is
    └── TrainingError               a training run cannot start or go on
        ├── UnknownModelError       timm has no model of that name
        └── ParityError             the exported graph disagrees with torch

Messages name the value and say what to do. Nothing here knows HTTP: `dandelion.api.problems` maps errors to
statuses in one table.
"""

from __future__ import annotations


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


class JournalFullError(OverloadedError):
    """Predictions can be kept neither on disk nor in the database, so none is given."""


class PredictionNotFoundError(DandelionError):
    """No prediction of that id is stored."""


class FeedbackError(DandelionError):
    """A truth that the model has no class for."""


class DataError(DandelionError):
    """A data folder cannot be used as it is."""


class TrainingError(DandelionError):
    """A training run cannot start or go on."""


class UnknownModelError(TrainingError):
    """timm has no model of that name."""


class ParityError(TrainingError):
    """An exported graph answers differently from the torch model it came from."""
