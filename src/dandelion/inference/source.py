"""The source of the model to serve: a folder, the cache, the registry, or the bundled starter."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from dandelion.domain import STARTER, ModelRef, ModelVersion
from dandelion.errors import NotReadyError, PackageError
from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry, is_new, recall_alias, remember_alias, would_be_created
from dandelion.settings import Settings

LOCAL = "local"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A package to serve, and its name in predictions and telemetry."""

    ref: ModelRef
    package: ModelPackage


class ModelSource:
    """Finds the model that this process should serve. Its methods block; call them in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._all_settings = settings
        self._settings = settings.model
        self._cache = settings.cache
        self._registry: Registry | None = None
        self._found: Found | None = None
        self._remembered: Found | None = None
        # The name of the cache's note about the last package; neither names nor aliases contain an "@".
        self._note = f"{self._settings.name}@{self._settings.version or self._settings.alias}"

    @property
    def is_fixed(self) -> bool:
        """Whether the settings name a folder, so that there is no alias to follow."""
        return self._settings.path is not None

    def first(self) -> Found:
        """The model to start with, from the quickest source.

        A model that was in service before comes from the cache without a request to MLflow, so that a process starts
        in seconds, even while MLflow is down; `current` corrects the choice moments later. The starter is for a
        registry without a model. If the registry does not respond, the starter is not used: the registry may hold a
        model of another task, and no prediction is better than a wrong one.

        Raises:
            PackageError: The folder in the settings holds no intact package.
            RegistryError: The cache holds no model, and MLflow did not respond or lacks the pinned version.
            NotReadyError: There is no model anywhere, and the starter is switched off.
        """
        if self._settings.path is not None:
            package = open_package(self._settings.path)
            return Found(ModelRef(name=self._settings.name, version=LOCAL), package)
        try:
            if recalled := recall_alias(self._cache, self._note):
                version, package = recalled
                self._found = self._remembered = Found(self._ref(version), package)
                return self._found
        except PackageError as error:
            log.warning("cached_model_unusable", reason=str(error))
        return (None if is_new(self._all_settings) else self.current()) or self._starter()

    def current(self) -> Found | None:
        """The pinned version, or the version that the alias points at now; None if it points nowhere.

        A package that was found before is not read again while its folder exists.

        Raises:
            RegistryError: MLflow did not respond, or has no such version.
            PackageError: The package arrived incomplete.
        """
        if would_be_created(self._all_settings):
            return None
        if self._registry is None:
            self._registry = create_registry(self._all_settings)
        pinned = self._settings.version
        version = self._registry.get_version(pinned) if pinned else self._registry.find_alias(self._settings.alias)
        if version is None:
            return None
        ref, found = self._ref(version), self._found
        if (
            found is None
            or (found.ref, found.package.digest) != (ref, version.digest)
            or not found.package.path.is_dir()
        ):
            found = Found(ref, self._registry.download(version, self._cache))
        if found is not self._remembered:
            self._remember(version, found)
        self._found = found
        return found

    def _remember(self, version: ModelVersion, found: Found) -> None:
        """Write the note in the cache, at every check until it succeeds: a full disk must not block a rollback."""
        try:
            remember_alias(self._cache, version, self._note)
            self._remembered = found
        except OSError as error:
            if found is not self._found:
                log.warning("model_not_remembered", version=version.version, reason=str(error.strerror))

    def _starter(self) -> Found:
        if not self._settings.starter:
            raise NotReadyError(
                f"MLflow has no version of {self._settings.name!r} with the alias {self._settings.alias!r}.",
                "Register one with `dandelion train`, or set DANDELION_MODEL__STARTER=true.",
            )
        log.warning("serving_starter", alias=self._settings.alias, why="the registry has no such alias yet")
        return Found(ModelRef(name=self._settings.name, version=STARTER), open_package(starter_path()))

    def _ref(self, version: ModelVersion) -> ModelRef:
        alias = self._settings.alias if self._settings.version is None else None
        return ModelRef(name=version.name, version=version.version, alias=alias)
