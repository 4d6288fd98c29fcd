"""The registered model in MLflow: versions, aliases, packages.

Requests to a server use plain HTTP. Training and the embedded database need MLflow's own client, which is imported on
first use and never with this module.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dandelion.domain import CHAMPION, PREVIOUS, ModelVersion
from dandelion.errors import PackageError, RegistryError, VersionNotFoundError
from dandelion.http.addresses import url_of
from dandelion.package import ModelPackage, open_package
from dandelion.package.store import CARD, METRICS
from dandelion.registry.cache import fetch_into
from dandelion.registry.rest import RestClient, is_plain
from dandelion.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "dandelion"
DIGEST_TAG = "dandelion.digest"
FILE = "mlflow.db"
ARTIFACTS = "artifacts"
FOLDER = "model"
PLOTS = "plots"

T = TypeVar("T")


def tracking_uri(settings: Settings) -> str:
    """MLflow's address: the server that the settings name, or the embedded database."""
    return settings.registry.uri or f"sqlite:///{(settings.home / FILE).absolute()}"


def artifacts_uri(home: Path) -> str:
    """Where the embedded registry of a home folder stores artifacts."""
    return (home / ARTIFACTS).absolute().as_uri()


def embedded_url(settings: Settings) -> str:
    """Where `dandelion up` serves MLflow."""
    return url_of(settings.registry.host, settings.registry.port)


def is_new(settings: Settings) -> bool:
    """Whether the registry is an embedded one that does not exist yet, and therefore has no model."""
    is_embedded = settings.registry.uri in {None, embedded_url(settings)}
    return is_embedded and not (settings.home / FILE).exists()


def would_be_created(settings: Settings) -> bool:
    """Whether a request would create the registry: it is embedded and new, and no server runs in front of it."""
    return settings.registry.uri is None and is_new(settings)


def create_registry(settings: Settings) -> Registry:
    """The registry that the settings name; an embedded one is created if it does not exist yet."""
    timeout_seconds = settings.registry.timeout_seconds
    options = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(timeout_seconds)),
        # MLflow's default of seven tries with doubling pauses hides for minutes that a server is down.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # Else a server over S3 hands out signed links to S3 itself, which pods may neither resolve nor reach.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    }
    for variable, value in options.items():
        os.environ.setdefault(variable, value)
    uri, name = tracking_uri(settings), settings.model.name
    if settings.registry.uri is not None:
        return Registry(uri, name, timeout_seconds=timeout_seconds)
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "mlflow.lock").open("a") as lock:
        # MLflow's migrations fail if two processes create the same tables.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Registry(uri, name, artifacts=artifacts_uri(settings.home))


class Registry:
    """Versions of one registered model. Every method may raise `RegistryError` if MLflow does not respond.

    Args:
        uri: MLflow's server or database.
        name: The registered model.
        artifacts: Where an embedded registry stores artifacts; a server decides for itself.
        timeout_seconds: Maximum wait for one response of a server.
    """

    def __init__(self, uri: str, name: str, *, artifacts: str | None = None, timeout_seconds: float = 10.0) -> None:
        self.uri = uri
        self.name = name
        self._artifacts = artifacts
        self._metrics: dict[str, dict[str, float]] = {}  # by digest, so they never change
        with self.asking("open the registry"):
            self._mlflow: RestClient | MlflowClient = (
                RestClient(uri, timeout_seconds, lambda: self.client) if is_plain(uri) else self.client
            )

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client, which training runs use to log."""
        from mlflow import MlflowClient

        for chatty in ("mlflow", "mlflow.store.db.utils"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def list_versions(self) -> list[ModelVersion]:
        """All versions, newest first."""
        with self.asking("list the versions"):
            found = self._mlflow.search_model_versions(f"name = '{self.name}'", max_results=1000)
            model = _absent_is_none(lambda: self._mlflow.get_registered_model(self.name))
            # MLflow leaves aliases out of search results.
            aliases = model.aliases.items() if model else ()
            versions = [
                _version(each, (alias for alias, version in aliases if str(version) == str(each.version)))
                for each in found
            ]
        return sorted(versions, key=lambda each: int(each.version), reverse=True)

    def find_alias(self, alias: str) -> ModelVersion | None:
        """The version that `alias` points at; None if it points nowhere."""
        with self.asking(f"look up the alias {alias!r}"):
            found = _absent_is_none(lambda: self._mlflow.get_model_version_by_alias(self.name, alias))
            return None if found is None else _version(found, found.aliases or [alias])

    def get_version(self, version: str) -> ModelVersion:
        """One version by its number.

        Raises:
            VersionNotFoundError: No such version.
        """
        with self.asking(f"look up version {version}"):
            found = _absent_is_none(lambda: self._mlflow.get_model_version(self.name, version))
            if found is not None:
                return _version(found, found.aliases)
        raise VersionNotFoundError(
            f"{self.name} has no version {version!r}.", "List the versions with `dandelion models list`."
        )

    def read_metrics(self, version: ModelVersion) -> dict[str, float]:
        """Metrics on the test split, from the version's package; empty for versions that Dandelion did not register."""
        if version.digest not in self._metrics:
            found = self._read(version, f"{FOLDER}/{METRICS}") if version.digest else b"{}"
            self._metrics[version.digest] = {str(k): float(v) for k, v in msgspec.json.decode(found).items()}
        return self._metrics[version.digest]

    def read_card(self, version: ModelVersion) -> str:
        """The model card, Markdown; empty for a version that Dandelion did not register."""
        return self._read(version, f"{FOLDER}/{CARD}").decode() if version.digest else ""

    def list_plots(self, version: ModelVersion) -> list[str]:
        """Names of the plots of a version's training run."""
        if version.run_id is None:
            return []
        with self.asking(f"list the plots of version {version.version}"):
            found = self._mlflow.list_artifacts(version.run_id, PLOTS)
        return sorted(Path(each.path).name for each in found if each.path.endswith(".png"))

    def read_plot(self, version: ModelVersion, name: str) -> bytes:
        """One plot, PNG.

        Raises:
            VersionNotFoundError: The version has no such plot.
        """
        if name not in self.list_plots(version):
            raise VersionNotFoundError(
                f"Version {version.version} has no plot {name!r}.",
                "Name one of those that `GET /models/VERSION` lists.",
            )
        return self._read(version, f"{PLOTS}/{name}")

    def set_alias(self, alias: str, version: str) -> None:
        """Point `alias` at `version`."""
        with self.asking(f"set the alias {alias!r}"):
            self._mlflow.set_registered_model_alias(self.name, alias, version)

    def drop_alias(self, alias: str) -> None:
        """Remove `alias`; harmless if it does not exist."""
        with self.asking(f"drop the alias {alias!r}"):
            self._mlflow.delete_registered_model_alias(self.name, alias)

    def tag_version(self, version: str, tags: Mapping[str, str]) -> None:
        """Write `tags` on a version."""
        with self.asking(f"tag version {version}"):
            for key, value in tags.items():
                self._mlflow.set_model_version_tag(self.name, version, key, value)

    def promote(self, version: str) -> ModelVersion:
        """Put `version` in service as champion, and point `previous` at the version that was in service until now.

        `previous` is written first: if the process dies in between, the champion is unchanged, and promoting again
        completes the rest. In the other order, a rollback would bring back the version before the last.

        Raises:
            VersionNotFoundError: No such version.
        """
        chosen = self.get_version(version)
        before = self.find_alias(CHAMPION)
        if before is not None and before.version == chosen.version:
            return chosen
        if before is not None:
            self.set_alias(PREVIOUS, before.version)
        self.set_alias(CHAMPION, chosen.version)
        # Not read again: if that failed, the version would be in service all the same.
        lost = {PREVIOUS} if before is not None else set()
        return replace(chosen, aliases=tuple(sorted({*chosen.aliases, CHAMPION} - lost)))

    def rollback(self) -> ModelVersion:
        """Put the previous champion back in service; a second rollback undoes the first.

        Raises:
            VersionNotFoundError: There is no previous champion yet, or a promotion was interrupted.
        """
        before, now = self.find_alias(PREVIOUS), self.find_alias(CHAMPION)
        if before is None:
            raise VersionNotFoundError(
                f"{self.name} has no earlier champion to roll back to.",
                "Choose a version with `dandelion models promote VERSION`.",
            )
        if now is not None and now.version == before.version:
            raise VersionNotFoundError(
                f"`previous` of {self.name} is also the champion, version {now.version}: a promotion was interrupted.",
                "Promote again, or promote an earlier version, with `dandelion models promote VERSION`.",
            )
        return self.promote(before.version)

    def register_package(
        self, path: Path, *, run_id: str | None = None, tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Register the package at `path` as a version, completely or not at all.

        Without a training run, one is created for the artifacts. `tags` come in addition to those of the package.

        Raises:
            PackageError: The package is damaged.
        """
        package = open_package(path)
        all_tags = {
            **(tags or {}),
            DIGEST_TAG: package.digest,
            "dandelion.dataset_digest": package.manifest.dataset_digest,
        }
        with self.asking("register the package"):
            run = run_id or self.client.create_run(self.experiment_id(), run_name="import").info.run_id
            created = None
            try:
                self.client.log_artifacts(run, str(path), FOLDER)
                self._create_model()
                source = f"{self.client.get_run(run).info.artifact_uri}/{FOLDER}"
                created = self.client.create_model_version(self.name, source, run_id=run, tags=all_tags)
                if run_id is None:
                    self.client.set_terminated(run)
            except BaseException:
                if created is not None:
                    self.client.delete_model_version(self.name, created.version)
                if run_id is None:
                    self.client.delete_run(run)
                raise
        return self.get_version(str(created.version))

    def experiment_id(self) -> str:
        """The experiment of all training runs; it is created if it does not exist yet."""
        from mlflow.exceptions import MlflowException

        with self.asking("open the experiment"):
            found = self.client.get_experiment_by_name(EXPERIMENT)
            if found is not None:
                return str(found.experiment_id)
            try:
                return str(self.client.create_experiment(EXPERIMENT, artifact_location=self._artifacts))
            except MlflowException:  # another process was quicker
                found = self.client.get_experiment_by_name(EXPERIMENT)
                if found is None:
                    raise
                return str(found.experiment_id)

    def download(self, version: ModelVersion, cache: Path) -> ModelPackage:
        """The verified package of `version`, from the cache or fetched into it.

        Raises:
            PackageError: The download differs from what was registered.
        """
        run_id = version.run_id
        if not version.digest or run_id is None:
            raise PackageError(
                f"Version {version.version} of {version.name} was not registered by Dandelion (no {DIGEST_TAG} tag).",
                "Register models with `dandelion train`.",
            )

        def fetch(folder: Path) -> Path:
            with self.asking(f"download version {version.version}"):
                return Path(self._mlflow.download_artifacts(run_id, FOLDER, str(folder)))

        return fetch_into(cache, version.digest, fetch)

    def _read(self, version: ModelVersion, path: str) -> bytes:
        with self.asking(f"read {path} of version {version.version}"), tempfile.TemporaryDirectory() as folder:
            return Path(self._mlflow.download_artifacts(version.run_id or "", path, folder)).read_bytes()

    def _create_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn any error of MLflow, its database or its connection into a `RegistryError`."""
        try:
            yield
        except (RegistryError, PackageError):
            raise
        except ImportError as error:
            raise RegistryError(
                f"Could not {what} at {self.uri}: {error}.",
                "Install all of MLflow, which an embedded registry needs: pip install 'dandelion[all]'.",
            ) from error
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RegistryError(
                f"Could not {what} at {self.uri}: {first}",
                "Check that MLflow runs there, and check DANDELION_REGISTRY__URI.",
            ) from error


def _version(found: Any, aliases: Iterable[str]) -> ModelVersion:
    """A version of either client."""
    return ModelVersion(
        name=found.name,
        version=str(found.version),
        aliases=tuple(sorted(aliases)),
        digest=found.tags.get(DIGEST_TAG, ""),
        created_ms=int(found.creation_timestamp),
        run_id=found.run_id or None,
        tags=dict(found.tags),
    )


def _absent_is_none(query: Callable[[], T]) -> T | None:
    try:
        return query()
    except Exception as error:
        # An unknown alias is INVALID_PARAMETER_VALUE in some versions and RESOURCE_DOES_NOT_EXIST in others.
        if getattr(error, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
