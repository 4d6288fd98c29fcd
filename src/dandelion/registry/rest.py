"""A small client of MLflow's REST API, for serving processes.

Importing MLflow's own client takes 109 MiB, and 2.6 of the 5.7 s until a server responds. The methods have the same
names as there, so that either client can be used. Training writes runs, and needs MLflow's own client in any case.
"""

from __future__ import annotations

import os
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import httpx
import msgspec
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

if TYPE_CHECKING:
    from mlflow import MlflowClient

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
# A model of 100 MB arrives in that time at 1 Mbit/s, and the reloader then checks the alias again.
RESPONSE_SECONDS = 900.0
# Ways to authenticate, and workspaces, that only MLflow's own client supports.
_SPECIAL = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE")


class RestError(Exception):
    """The server responded with an error.

    Attributes:
        error_code: MLflow's error code, such as `RESOURCE_DOES_NOT_EXIST`; without one, the status.
        status: HTTP status.
    """

    def __init__(self, response: httpx.Response, content: bytes) -> None:
        try:
            said: Mapping[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        except msgspec.MsgspecError:  # a proxy's web page
            said = {}
        self.status = response.status_code
        self.error_code = str(said.get("error_code", response.status_code))
        super().__init__(str(said.get("message") or f"HTTP {response.status_code} {response.reason_phrase}"))


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file or folder of a run; `path` is relative to the run's artifacts."""

    path: str
    is_dir: bool = False


def is_plain(uri: str) -> bool:
    """Whether this client supports `uri`: over HTTP, with no authentication, a password or a token."""
    special = any(os.environ.get(name) for name in _SPECIAL) or (Path.home() / ".mlflow" / "credentials").exists()
    return urlsplit(uri).scheme in {"http", "https"} and not special


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, httpx.TransportError) or (isinstance(error, RestError) and error.status in {502, 503, 504})


# One retry: a server that restarts cuts connections. More retries would only hide for longer that it is down.
_twice = retry(
    retry=retry_if_exception(_is_transient),
    stop=stop_after_attempt(2),
    wait=wait_random_exponential(multiplier=0.2, max=1),
    reraise=True,
)


class RestClient:
    """A client of an MLflow server. Methods raise `RestError` if it refuses, `httpx.HTTPError` if it does not respond.

    What they return has the attributes that it has from MLflow's own client.

    Args:
        uri: Its address. MLflow's variables say how to authenticate: `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or
            `MLFLOW_TRACKING_TOKEN`; and `MLFLOW_TRACKING_SERVER_CERT_PATH`, `_CLIENT_CERT_PATH`, `_INSECURE_TLS`.
        timeout_seconds: Maximum wait for a connection and for the next bytes of a response; a whole response may take
            `RESPONSE_SECONDS`.
        whole: Returns MLflow's own client, for artifacts that only it can fetch.
    """

    def __init__(self, uri: str, timeout_seconds: float, whole: Callable[[], MlflowClient]) -> None:
        self._whole = whole
        self._http = httpx.Client(
            base_url=uri.rstrip("/"),
            timeout=timeout_seconds,
            follow_redirects=True,
            # Checks are half a minute apart: by then the server has closed an idle connection.
            limits=httpx.Limits(max_keepalive_connections=0),
            **_credentials(),
        )

    def get_model_version_by_alias(self, name: str, alias: str) -> SimpleNamespace:
        """The version that an alias points at."""
        return _version(self._call("GET", "registered-models/alias", name=name, alias=alias)["model_version"])

    def get_model_version(self, name: str, version: str) -> SimpleNamespace:
        """One version by its number."""
        return _version(self._call("GET", "model-versions/get", name=name, version=version)["model_version"])

    def get_registered_model(self, name: str) -> SimpleNamespace:
        """The model with its aliases."""
        found = self._call("GET", "registered-models/get", name=name)["registered_model"]
        return SimpleNamespace(aliases={each["alias"]: each["version"] for each in found.get("aliases", [])})

    def search_model_versions(self, filter_string: str, max_results: int) -> list[SimpleNamespace]:
        """Versions that match a filter, without their aliases."""
        found = self._call("GET", "model-versions/search", filter=filter_string, max_results=max_results)
        return [_version(each) for each in found.get("model_versions", [])]

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._call("POST", "registered-models/alias", name=name, alias=alias, version=version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._call("DELETE", "registered-models/alias", name=name, alias=alias)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Write a tag on a version."""
        self._call("POST", "model-versions/set-tag", name=name, version=version, key=key, value=value)

    def list_artifacts(self, run_id: str, path: str) -> Sequence[Artifact]:
        """The contents of a folder of a run; empty if `path` is a file."""
        return self._list(run_id, path)[1]

    def download_artifacts(self, run_id: str, path: str, dst_path: str) -> str:
        """Fetch a file, or a folder with its contents, into the folder `dst_path`; return its path there."""
        root, found = self._list(run_id, path)
        place = urlsplit(root)
        target = Path(dst_path) / path
        if place.scheme == "file" and (source := Path(unquote(place.path)) / path).exists():
            # An embedded server stores artifacts on this machine.
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        elif place.scheme == "mlflow-artifacts" and not place.netloc:
            for file in self._files(run_id, found) if found else [path]:
                self._fetch(f"{ARTIFACTS}/{quote(place.path.strip('/'))}/{quote(file)}", Path(dst_path) / file)
        else:
            return str(self._whole().download_artifacts(run_id, path, dst_path))
        return str(target)

    def _list(self, run_id: str, path: str) -> tuple[str, list[Artifact]]:
        said = self._call("GET", "artifacts/list", run_id=run_id, path=path)
        found = msgspec.convert(said.get("files", []), list[Artifact])
        for each in found:
            if ".." in PurePosixPath(each.path).parts or not PurePosixPath(each.path).is_relative_to(path):
                raise ValueError(f"MLflow lists {each.path!r} in {path!r}")
        return said["root_uri"], found

    def _files(self, run_id: str, found: Sequence[Artifact]) -> list[str]:
        files = [each.path for each in found if not each.is_dir]
        for folder in (each.path for each in found if each.is_dir):
            files += self._files(run_id, self._list(run_id, folder)[1])
        return files

    @_twice
    def _call(self, method: str, path: str, /, **words: str | int) -> dict[str, Any]:
        sent: dict[str, Any] = {"params": words} if method == "GET" else {"json": words}
        with self._stream(method, f"{API}/{path}", **sent) as chunks:
            content = b"".join(chunks)
        return msgspec.json.decode(content or b"{}", type=dict[str, Any])

    @_twice
    def _fetch(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._stream("GET", path) as chunks, target.open("wb") as stream:
            stream.writelines(chunks)

    @contextmanager
    def _stream(self, method: str, path: str, **sent: Any) -> Iterator[Iterator[bytes]]:
        deadline = time.monotonic() + RESPONSE_SECONDS
        with self._http.stream(method, path, **sent) as response:
            chunks = _until(deadline, response)
            if response.is_error:
                raise RestError(response, b"".join(chunks))
            yield chunks


def _until(deadline: float, response: httpx.Response) -> Iterator[bytes]:
    """The response's bytes, up to a deadline: httpx only limits the wait for the next bytes, not the whole response.

    Raises:
        RequestError: The deadline passed. Not a `TransportError`, which is retried and would only take as long again.
    """
    for chunk in response.iter_bytes():
        if time.monotonic() > deadline:
            raise httpx.RequestError(
                f"{response.url.path} was not complete after {RESPONSE_SECONDS:g} s", request=response.request
            )
        yield chunk


def _version(said: Mapping[str, Any]) -> SimpleNamespace:
    tags = {each["key"]: each.get("value", "") for each in said.get("tags", [])}
    return SimpleNamespace(**{"creation_timestamp": 0, "run_id": "", "aliases": [], **said, "tags": tags})


def _credentials() -> dict[str, Any]:
    """Credentials and certificates from MLflow's own environment variables."""
    read = os.environ.get
    given: dict[str, Any] = {}
    if user := read("MLFLOW_TRACKING_USERNAME"):
        given["auth"] = (user, read("MLFLOW_TRACKING_PASSWORD", ""))
    elif token := read("MLFLOW_TRACKING_TOKEN"):
        given["headers"] = {"Authorization": f"Bearer {token}"}
    authority, certificate = read("MLFLOW_TRACKING_SERVER_CERT_PATH"), read("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    insecure = read("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"1", "true"}
    if authority or certificate or insecure:
        context = ssl.create_default_context(cafile=authority)
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate)
        given["verify"] = context
    return given
