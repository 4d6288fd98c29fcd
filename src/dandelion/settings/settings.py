"""All sections of settings, and values derived from several."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dandelion.settings.access import AccessSettings
from dandelion.settings.api import ApiSettings
from dandelion.settings.backup import BackupSettings
from dandelion.settings.database import DatabaseSettings
from dandelion.settings.grpc import GrpcSettings
from dandelion.settings.inference import InferenceSettings
from dandelion.settings.journal import JournalSettings
from dandelion.settings.log import LogSettings
from dandelion.settings.model import ModelSettings
from dandelion.settings.monitoring import MonitoringSettings
from dandelion.settings.notify import NotifySettings
from dandelion.settings.objects import ObjectsSettings, S3Settings
from dandelion.settings.prefect import PrefectSettings
from dandelion.settings.privacy import PrivacySettings
from dandelion.settings.registry import RegistrySettings
from dandelion.settings.release import ReleaseSettings
from dandelion.settings.retraining import RetrainingSettings
from dandelion.settings.section import DELIMITER, PREFIX
from dandelion.settings.tracing import TracingSettings
from dandelion.settings.ui import UiSettings


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
        description="Home folder: data of everything that is embedded, model cache, spool and logs.",
    )
    api: ApiSettings = ApiSettings()
    grpc: GrpcSettings = GrpcSettings()
    inference: InferenceSettings = InferenceSettings()
    model: ModelSettings = ModelSettings()
    registry: RegistrySettings = RegistrySettings()
    database: DatabaseSettings = DatabaseSettings()
    objects: ObjectsSettings = ObjectsSettings()
    mirror: S3Settings = S3Settings()  # where `dandelion objects mirror` copies everything
    journal: JournalSettings = JournalSettings()
    access: AccessSettings = AccessSettings()
    prefect: PrefectSettings = PrefectSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    release: ReleaseSettings = ReleaseSettings()
    notify: NotifySettings = NotifySettings()
    backup: BackupSettings = BackupSettings()
    privacy: PrivacySettings = PrivacySettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    ui: UiSettings = UiSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {"api.port": self.api.port, "api.monitoring_port": self.api.monitoring_port, "ui.port": self.ui.port}
        ports["grpc.port"] = self.grpc.port or None
        if self.registry.uri is None:
            ports["registry.port"] = self.registry.port
        if self.prefect.url is None:
            ports["prefect.port"] = self.prefect.port
        for (one, port), (other, same) in itertools.combinations(ports.items(), 2):
            if port is not None and port == same:
                raise ValueError(f"{one} and {other} are both {port}; give one of them another port")
        return self

    @property
    def api_url(self) -> str:
        """The API that the web page uses: the one in the settings, or the one on this machine."""
        return self.ui.api_url or self.api.url

    @property
    def grpc_host(self) -> str:
        """The address on which gRPC listens."""
        return self.grpc.host or self.api.host

    @property
    def pods_url(self) -> str:
        """Where the web page finds the metrics of every serving process."""
        return self.ui.pods_url or self.ui.api_url or self.api.monitoring_url

    @property
    def cache(self) -> Path:
        """Where verified model packages are stored, by digest."""
        return self.home / "models"

    @property
    def spool(self) -> Path:
        """Where predictions wait for the database."""
        return self.home / "spool"

    @property
    def photo_spool(self) -> Path:
        """Where photos wait for the object store."""
        return self.spool / "photos"
