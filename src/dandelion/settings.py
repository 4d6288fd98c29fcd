"""Every setting, one frozen section a part, read once from the environment and passed in.

The variable of a setting is `DANDELION_<SECTION>__<KEY>`, for example `DANDELION_API__PORT=8080`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dandelion.errors import SettingsError

PREFIX = "DANDELION_"
DELIMITER = "__"

Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """What every section shares: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiSettings(Section):
    """The HTTP face."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8000, description="Port to listen on.")
    max_upload_bytes: Annotated[int, Field(ge=1024)] = Field(
        32 * 1024 * 1024, description="Largest request body, bytes; larger ones get 413."
    )
    max_photo_pixels: Annotated[int, Field(ge=1)] = Field(
        64_000_000, description="Largest photo, pixels, read from its header before anything is decoded."
    )
    max_files: Annotated[int, Field(ge=1)] = Field(64, description="Most photos in one request.")
    body_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        20.0, description="Longest time that a client may take to send a body; slower ones get 408."
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="After SIGTERM: how long to go on answering while not ready, so that balancers notice.",
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins that pages may call from; `*` means any.")
    track: str = Field("stable", pattern=r"^[a-z0-9-]{1,32}$", description="Release track named in the metrics.")


class InferenceSettings(Section):
    """How photos are decoded, collected and run."""

    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto",
        description="`auto` runs OpenVINO on the CPU, or torch where a CUDA GPU and torch are present.",
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="`auto` takes the fastest precision that the CPU accelerates and the package holds.",
    )
    lanes: Annotated[int, Field(ge=0, le=64)] = Field(
        0,
        description="Threads that decode and infer side by side; 0 takes one more than the cores that the process may "
        "use, so that no core idles while a lane waits for Python's lock.",
    )
    max_batch: Annotated[int, Field(ge=1, le=256)] = Field(8, description="Most photos run together.")
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="How long a lane waits for more photos before it runs a batch, milliseconds."
    )
    max_queue: Annotated[int, Field(ge=1)] = Field(
        256, description="Most photos that wait; one more gets 503 with Retry-After."
    )
    deadline_seconds: Annotated[float, Field(gt=0)] = Field(
        10.0, description="A photo that waited longer than this is given up with 503."
    )


class ModelSettings(Section):
    """Which model serves, and where its packages are kept."""

    path: Path | None = Field(None, description="Serve the package in this folder instead of asking the registry.")
    name: str = Field("dandelion", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Registered model in MLflow.")
    alias: str = Field("champion", pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="Alias that this process serves.")
    starter: bool = Field(
        True,
        description="Serve the bundled starter model while there is no registry, or it has no such alias.",
    )
    poll_seconds: Annotated[float, Field(ge=0.2)] = Field(5.0, description="How often to look at the alias.")


class RegistrySettings(Section):
    """Where MLflow is."""

    uri: str | None = Field(
        None,
        description="Tracking server, `http://host:5000`; none means the embedded one under the home folder.",
    )
    host: str = Field("127.0.0.1", description="Address of the embedded MLflow page.")
    port: Port = Field(5000, description="Port of the embedded MLflow page.")
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="Longest wait for one answer.")


class DatabaseSettings(Section):
    """Where predictions, feedback and the audit log are kept."""

    url: SecretStr | None = Field(
        None,
        description="`mysql://user:password@host:3306/mlops_db`; none means SQLite under the home folder.",
    )
    pool_size: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="Connections kept open to MySQL by a process; twice as many at most."
    )
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = Field(5.0, description="Longest wait for a connection.")
    query_timeout_seconds: Annotated[float, Field(gt=0)] = Field(30.0, description="Longest that one query may run.")
    tls: bool = Field(False, description="Encrypt the connection to MySQL and check the server's certificate.")
    tls_ca: Path | None = Field(None, description="Certificate authority of MySQL's certificate; else the system's.")
    tls_cert: Path | None = Field(None, description="Client certificate, where MySQL asks for one.")
    tls_key: Path | None = Field(None, description="Its key.")
    auto_upgrade: bool = Field(True, description="Bring the tables up to date before they are first used.")


class JournalSettings(Section):
    """How predictions reach the database: appended to a spool on disk first, shipped behind the answer."""

    enabled: bool = Field(True, description="Keep predictions; without it there is neither history nor feedback.")
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        4 * 1024**3,
        description="Most that the spool may hold while the database is down; at 100 predictions/s the default lasts "
        "over 24 hours.",
    )
    when_full: Literal["refuse", "drop"] = Field(
        "refuse",
        description="`refuse` answers 503 rather than lose a prediction; `drop` answers and counts what was lost.",
    )
    ship_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.5, description="How long predictions wait at most before they are shipped while the database answers."
    )
    batch_rows: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Most rows in one transaction.")


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is logged.")
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json` for machines, `text` for people; `auto` is text on a terminal."
    )
    access: bool = Field(False, description="Log every request, not only failures.")


class Settings(BaseSettings):
    """All sections."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(
        default_factory=lambda: Path.home() / ".dandelion",
        description="Folder of everything that is kept when embedded.",
    )
    api: ApiSettings = ApiSettings()
    inference: InferenceSettings = InferenceSettings()
    model: ModelSettings = ModelSettings()
    registry: RegistrySettings = RegistrySettings()
    database: DatabaseSettings = DatabaseSettings()
    journal: JournalSettings = JournalSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.registry.uri is None and self.api.port == self.registry.port:
            raise ValueError(f"api.port and registry.port are both {self.api.port}; give one of them another port")
        return self

    @property
    def cache(self) -> Path:
        """Where verified model packages are kept, by digest."""
        return self.home / "models"

    @property
    def spool(self) -> Path:
        """Where predictions wait for the database."""
        return self.home / "spool"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is unknown or malformed; the message names it and the remedy.
    """
    names = os.environ if environ is None else environ
    if unknown := [name for name in sorted(names) if name.startswith(PREFIX) and name not in variables()]:
        nearest = difflib.get_close_matches(unknown[0], variables(), n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else "Known ones are listed by `dandelion settings`."
        raise SettingsError(f"{unknown[0]} is not a setting.", hint)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + DELIMITER.join(str(part) for part in first["loc"]).upper()
        where = name if first["loc"] else "The settings contradict each other"
        raise SettingsError(
            f"{where}: {first['msg']} (it is {first['input']!r})." if first["loc"] else f"{where}: {first['msg']}."
        ) from error


def variables() -> dict[str, str]:
    """Every environment variable that is read, with its description."""
    found: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for key, inner in field.annotation.model_fields.items():
                found[f"{PREFIX}{name}{DELIMITER}{key}".upper()] = inner.description or ""
        else:
            found[f"{PREFIX}{name}".upper()] = field.description or ""
    return found
