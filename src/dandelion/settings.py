"""Every setting, one frozen section a part, read once from the environment and passed in.

The variable of a setting is `DANDELION_<SECTION>__<KEY>`, for example `DANDELION_API__PORT=8080`.
"""

from __future__ import annotations

import difflib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from dandelion.domain import AccessScope
from dandelion.errors import SettingsError
from dandelion.http.addresses import check_proxy, url_of

PREFIX = "DANDELION_"
DELIMITER = "__"
# What commands sign in with at a server; it configures nothing here.
API_KEY_VARIABLE = "DANDELION_API_KEY"

_EXAMPLES = {tuple: '["one", "two"]', dict: '{"name": "value"}'}

Port = Annotated[int, Field(ge=1, le=65535)]
_SERVER = r"^https?://[^/?#@]+$"
_Proxy = Annotated[str, AfterValidator(check_proxy)]
_TRUSTED_PROXIES = (
    'Addresses or networks of proxies whose `X-Forwarded-For` is believed, `["10.0.0.0/8"]`; `*` means any.'
)
_JwtSecret = Annotated[SecretStr, Field(min_length=32)]


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
    max_bodies_bytes: Annotated[int, Field(ge=1024)] = Field(
        256 * 1024 * 1024,
        description="What the bodies of all requests at a time may take in memory; one that finds no room gets 503 "
        "with Retry-After.",
    )
    max_photo_pixels: Annotated[int, Field(ge=1)] = Field(
        64_000_000,
        description="Largest photo, pixels, read from its header before anything is decoded; WebP and AVIF half of it.",
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
    monitoring_port: Port | None = Field(
        None, description="Port of `/livez`, `/readyz`, `/health` and `/metrics` alone; none leaves them on the other."
    )
    trusted_proxies: tuple[_Proxy, ...] = Field((), description=_TRUSTED_PROXIES)
    hsts_seconds: Annotated[int, Field(ge=0)] = Field(
        0, description="Tell browsers to use HTTPS only, for so long; for servers behind TLS."
    )
    track: str = Field("stable", pattern=r"^[a-z0-9-]{1,32}$", description="Release track named in the metrics.")

    @property
    def url(self) -> str:
        """Where it answers on this machine."""
        return url_of(self.host, self.port)

    @property
    def monitoring_url(self) -> str:
        """Where `/livez`, `/readyz`, `/health` and `/metrics` answer on this machine."""
        return url_of(self.host, self.monitoring_port or self.port)


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
    version: str | None = Field(
        None, pattern=r"^[1-9][0-9]{0,9}$", description="Serve this version, wherever aliases point."
    )
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
    password: SecretStr | None = Field(
        None, description="Password for MySQL, where it stands apart from the address, as in a cluster."
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

    @model_validator(mode="after")
    def _certificates_are_for_tls(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_cert or self.tls_key):
            raise ValueError("tls_ca, tls_cert and tls_key do nothing without tls; set it, or leave them out")
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key is the key of tls_cert, which is missing; set it")
        return self


class S3Settings(Section):
    """How to speak to an S3 server."""

    url: str | None = Field(None, pattern=_SERVER, description="S3 server, `http://minio:9000`.")
    access_key: SecretStr | None = Field(None, description="Name that the S3 server knows us by.")
    secret_key: SecretStr | None = Field(None, description="Its secret.")
    region: str = Field("us-east-1", description="Region that requests are signed for.")
    tls_ca: Path | None = Field(None, description="Certificate authority of the S3 server's certificate.")
    bucket_prefix: str = Field(
        "", pattern=r"^[a-z0-9.-]{0,40}$", description="Before the names of all buckets, where several share a server."
    )
    part_bytes: Annotated[int, Field(ge=5 * 1024 * 1024, le=5 * 1024**3)] = Field(
        16 * 1024 * 1024, description="Larger objects are sent in parts of this size."
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="Longest wait for one answer.")


class ObjectsSettings(S3Settings):
    """Where photos, dataset versions and backups are kept: on an S3 server, else in a folder under the home folder."""

    url: str | None = Field(
        None,
        pattern=_SERVER,
        description="S3 server, `http://minio:9000`; none means a folder under the home folder.",
    )
    create_buckets: bool = Field(
        True,
        description="Make missing buckets; switch on versions, encryption and retention where the server has them.",
    )
    data_lake_days: Annotated[int, Field(ge=1)] | None = Field(
        90, description="How long predicted photos are kept; uploads stay."
    )
    processed_data_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How long dataset versions are kept; none means for ever."
    )
    backups_days: Annotated[int, Field(ge=1)] | None = Field(35, description="How long backups are kept.")

    def retention(self) -> dict[str, int]:
        """Days that a bucket's objects are kept, for those that are not kept for ever."""
        days = {
            "data-lake": self.data_lake_days,
            "processed-data": self.processed_data_days,
            "backups": self.backups_days,
        }
        return {bucket: limit for bucket, limit in days.items() if limit is not None}


class MirrorSettings(S3Settings):
    """A second S3 server, where `dandelion objects mirror` copies everything."""


class JournalSettings(Section):
    """How predictions reach the database: appended to a spool on disk first, shipped behind the answer."""

    enabled: bool = Field(True, description="Keep predictions; without it there is neither history nor feedback.")
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        4 * 1024**3,
        description="Most that the spool may hold while the database is down; at 100 predictions/s the default lasts "
        "over 24 hours with up to six classes.",
    )
    max_age_hours: Annotated[float, Field(gt=0)] = Field(
        168.0,
        description="A prediction that waits longer for the database counts as a full spool; a photo is let go.",
    )
    when_full: Literal["refuse", "drop"] = Field(
        "refuse",
        description="`refuse` answers 503 rather than lose a prediction; `drop` answers and counts what was lost.",
    )
    ship_seconds: Annotated[float, Field(gt=0, le=10)] = Field(
        0.5,
        description="How long predictions wait at most before they are shipped while the database answers; a truth "
        "about an answer of the last moment waits as long.",
    )
    batch_rows: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Most rows in one transaction.")
    photos: Literal["none", "some", "all"] = Field(
        "some", description="Photos that are kept, without their metadata; `some` are those that the next three name."
    )
    photo_rate: Annotated[float, Field(ge=0, le=1)] = Field(0.02, description="Share of all photos.")
    photo_below_confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="All photos that were answered with less confidence."
    )
    photo_outliers: bool = Field(True, description="All photos that resemble nothing the model was trained on.")
    max_photo_bytes: Annotated[int, Field(ge=0)] = Field(
        2 * 1024**3,
        description="Most photos that the spool may hold while the object store is down; one more is let go and "
        "counted, and its prediction is kept.",
    )


class AccessSettings(Section):
    """Who may use the API, and how often. Keys are made by `dandelion keys create`."""

    enabled: bool = Field(False, description="Ask for an API key or a token.")
    anonymous_scopes: tuple[AccessScope, ...] = Field(
        (), description="What those may do who send neither: `predict`, `feedback`, `read`, `admin`."
    )
    key_cache_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        10.0, description="How long a key or token that was checked is believed: a revocation takes as long."
    )
    key_grace_seconds: Annotated[float, Field(ge=0)] = Field(
        900.0, description="How long a key that was seen goes on to work while the database is down."
    )
    jwt_secrets: Annotated[tuple[_JwtSecret, ...], Field(max_length=2)] = Field(
        (), description="One or, while you change them, two secrets of HS256 tokens, 32 bytes or longer."
    )
    jwks_url: str | None = Field(
        None, pattern=r"^https?://", description="Where an identity provider publishes its keys for RS256 and ES256."
    )
    jwks_cooldown_seconds: Annotated[float, Field(ge=0)] = Field(
        5.0,
        description="Unknown key names make us fetch the keys again, but no more often than this, nor where it failed.",
    )
    jwt_audience: str | None = Field(None, description="Audience that tokens must be made for.")
    jwt_issuer: str | None = Field(None, description="Issuer that tokens must come from.")
    jwt_leeway_seconds: Annotated[float, Field(ge=0, le=300)] = Field(10.0, description="How far clocks may differ.")
    requests_per_key: Annotated[int, Field(ge=0)] = Field(
        0, description="Most requests a minute of one key or token, in each process; 0 sets no limit."
    )
    requests_per_address: Annotated[int, Field(ge=0)] = Field(
        0, description="Most requests a minute of one address without a key or token; 0 sets no limit."
    )
    failed_sign_ins_per_address: Annotated[int, Field(ge=0)] = Field(
        60, description="Most wrong keys or tokens a minute from one address; 0 sets no limit."
    )

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> Self:
        if self.jwks_url is not None and self.jwt_audience is None:
            raise ValueError("jwks_url needs jwt_audience, else tokens made for other programs are taken; set it")
        return self


class WatchSettings(Section):
    """How the model is watched."""

    accuracy_windows: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[mhd]$")], ...] = Field(
        ("1h", "24h", "7d"),
        description="Windows of the accuracy from feedback, by when it was told: `30m`, `24h`, `7d`.",
    )
    refresh_seconds: Annotated[float, Field(ge=0.2)] = Field(30.0, description="How often it is measured.")
    drift: bool = Field(True, description="Compare photos with those of training.")
    drift_window_photos: Annotated[int, Field(ge=50, le=1_000_000)] = Field(
        500, description="Last photos that are compared with training; looked at anew after every fifth of them."
    )
    photos_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        20.0, description="Most photos a second that a process looks at for drift; under load it takes a sample."
    )
    save_seconds: Annotated[float, Field(ge=1)] = Field(
        300.0, description="How often a process saves what its photos looked like, for the watch over all processes."
    )


class PrefectSettings(Section):
    """Where Prefect is, and how flows run."""

    url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Prefect server, `http://host:4200`; none means the embedded one of `dandelion up`.",
    )
    page_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where people open Prefect's page, if they reach it by another address.",
    )
    host: str = Field("127.0.0.1", description="Address of the embedded Prefect page.")
    port: Port = Field(4200, description="Port of the embedded Prefect page.")
    auth: SecretStr | None = Field(None, description="`user:password` of a Prefect server that asks for it.")
    flows: Path | None = Field(None, description="Folder of the flows; none means those that came with Dandelion.")
    schedules: dict[str, str] = Field(
        {},
        description="Cron lines in UTC, by flow, in place of those in `flows/prefect.yaml`: "
        '`{"retrain": "0 4 * * *"}`; an empty one takes the schedule away.',
    )
    runner: Literal["threads", "dask", "ray"] = Field(
        "threads", description="Where shards run; Dask and Ray come with the extras `dask` and `ray`."
    )
    runner_address: str | None = Field(
        None, description="Dask scheduler, `tcp://host:8786`, or Ray head; none starts one on this machine."
    )
    shard_photos: Annotated[int, Field(ge=1)] = Field(1024, description="Photos that are looked at by one task.")


class RetrainingSettings(Section):
    """When the model is trained again, on what, and how."""

    prometheus_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Prometheus, whose figures decide; none means those that the database holds.",
    )
    window: str = Field("24h", pattern=r"^[1-9][0-9]{0,3}[mhd]$", description="How far back figures look.")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.9, description="Retrain when the live accuracy lies below."
    )
    max_accuracy_drop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="Retrain when the live accuracy lies so much below the champion's on test photos."
    )
    min_truths: Annotated[int, Field(ge=1)] = Field(50, description="Fewer truths make no accuracy.")
    max_outliers: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Retrain when a larger share of photos resembles nothing known; 0.05 is normal."
    )
    max_drift: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Retrain when a feature's drift score reaches this; from 1 on it has drifted."
    )
    max_error_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="With more refused or failed photos a run waits: the service is mended first."
    )
    max_p95_seconds: Annotated[float, Field(gt=0)] = Field(
        1.0, description="With slower answers a run waits: training would slow them further."
    )
    cooldown_hours: Annotated[float, Field(ge=0)] = Field(6.0, description="Pause after a run that trained.")
    budget_minutes: Annotated[float, Field(gt=0)] = Field(240.0, description="Most minutes of runs in 24 hours.")
    classes: tuple[str, ...] = Field((), description="Classes to learn; none means all that labelled photos have.")
    min_new_photos: Annotated[int, Field(ge=0)] = Field(
        20, description="Fewer new labelled photos since the last dataset version stop a run."
    )
    min_photos_per_class: Annotated[int, Field(ge=2)] = Field(
        20, description="A class with fewer photos stops a run: its accuracy could not be measured."
    )
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="A larger share of new photos that are unreadable, blank or labelled twice stops a run."
    )
    max_doubtful_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15,
        description="A run stops when so much more of the new photos than of the old ones has a label that none or one "
        "of its five nearest neighbours shares.",
    )
    architecture: str = Field("champion", description="timm model; `champion` is the one that serves.")
    weights: str = Field(
        "champion",
        description="What it starts from: `champion` fine-tunes the one that serves where the architecture is its own, "
        "`auto` the hub's weights where the hub answers, `off` nothing; or a weights file.",
    )
    image_size: Annotated[int, Field(ge=32)] | None = Field(
        None, description="Side of the input, pixels; none means the champion's."
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most passes over the photos; none means 12 from weights and 130 from scratch."
    )
    folds: Annotated[int, Field(ge=0)] = Field(0, description="Folds of cross-validation; 0 does none.")
    seed: int = Field(0, description="Of everything random.")


class ReleaseSettings(Section):
    """What a candidate must show, and how it comes into service."""

    strategy: Literal["rolling", "canary", "blue-green"] = Field(
        "rolling",
        description="`rolling` moves the alias `champion`; the others move `challenger`, which their trial pods serve.",
    )
    margin: Annotated[float, Field(gt=0, le=1)] = Field(
        0.03, description="A candidate may be worse by less than this; a worse one is promoted rarely."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.985, description="How surely a model that is worse by the margin is turned down."
    )
    class_margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="No class, and not the photos of late, may fall by more, beyond chance."
    )
    min_photos: Annotated[int, Field(ge=1)] = Field(30, description="Fewer labelled photos decide nothing.")
    recent_days: Annotated[float, Field(gt=0)] = Field(30.0, description="Truths of so many days are `recent`.")
    max_ece: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Largest expected calibration error, unless the champion's is larger."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] = Field(
        100.0, description="Most milliseconds for one photo alone, decoded and classified, at the median."
    )
    max_size_bytes: Annotated[int, Field(gt=0)] = Field(512 * 1024 * 1024, description="Largest model package.")
    min_agreement: Annotated[float, Field(ge=0, le=1)] = Field(
        0.98, description="Share of photos on which the graph that serves must agree with the float32 graph."
    )
    api_url: str | None = Field(
        None, pattern=r"^https?://", description="Where the API answers; none means the one on this machine."
    )
    pods_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="A name every address of which is one serving pod, `http://dandelion-api-pods:8000`; none means "
        "that the API's address is all there is.",
    )
    api_key: SecretStr | None = Field(
        None, description="API key with the scopes `predict` and `read`, if access is on."
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        180.0, description="Pods that do not serve the new version by then take it back."
    )
    golden_photos: Annotated[int, Field(ge=0)] = Field(
        4,
        description="Test photos of each class that both models know, asked of every pod after a release, where nobody "
        "put golden photos into `data-lake/golden/`.",
    )

    @property
    def alias(self) -> str:
        """The alias that a release moves."""
        return "champion" if self.strategy == "rolling" else "challenger"


NotifyOutcome = Literal["promoted", "rejected", "stopped", "skipped", "failed", "rolled_back", "backup_failed"]


class NotifySettings(Section):
    """Who is told what a run did."""

    urls: tuple[SecretStr, ...] = Field(
        (), description='Apprise addresses: `["slack://...", "mailto://...", "jsons://host/hook"]`.'
    )
    on: tuple[NotifyOutcome, ...] = Field(
        ("promoted", "rejected", "stopped", "failed", "rolled_back", "backup_failed"),
        description="Ends that are told; `skipped` is a run that found nothing to do.",
    )


class BackupSettings(Section):
    """Where backups' copies go."""

    folder: Path | None = Field(
        None,
        description="Second place of objects, where no mirror is set: a folder, better on another disk. For an "
        "embedded store none means `backups` under the home folder; for an S3 server it means no copies.",
    )


class PrivacySettings(Section):
    """What is kept of the people who send photos."""

    keep_clients: bool = Field(
        True, description="Keep who asked as a keyed hash, so that all of a client's photos can be erased."
    )
    client_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Key of these hashes, the same for all replicas; none makes one in the home folder.",
    )


class UiSettings(Section):
    """The web page."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(7860, description="Port to listen on.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="Where the API answers, `http://api:8000`; none means the one that runs beside it.",
    )
    pods_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="Where `/metrics` answers: every address behind the name is one serving process, whose figures are "
        "added up; none means the API's, or the monitoring port of one that runs beside it.",
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(20.0, description="Longest wait for one answer of the API.")
    max_uploads_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        512 * 1024**2,
        description="Most that the photos of all visitors may take in the temporary folder; each is deleted after two "
        "hours.",
    )
    session_hours: Annotated[float, Field(gt=0)] = Field(
        12.0, description="Who does nothing for so long must sign in again."
    )
    examples: Path | None = Field(
        None, description="Folder of photos that the page offers to try; none offers drawn ones."
    )
    trusted_proxies: tuple[_Proxy, ...] = Field((), description=_TRUSTED_PROXIES)


class TracingSettings(Section):
    """Where traces go."""

    url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP over HTTP, `http://collector:4318/v1/traces`; none keeps no traces.",
    )
    share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share of requests that are traced where the caller has not decided."
    )


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
    objects: ObjectsSettings = ObjectsSettings()
    mirror: MirrorSettings = MirrorSettings()
    journal: JournalSettings = JournalSettings()
    access: AccessSettings = AccessSettings()
    prefect: PrefectSettings = PrefectSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    release: ReleaseSettings = ReleaseSettings()
    notify: NotifySettings = NotifySettings()
    backup: BackupSettings = BackupSettings()
    privacy: PrivacySettings = PrivacySettings()
    watch: WatchSettings = WatchSettings()
    ui: UiSettings = UiSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {"api.port": self.api.port, "api.monitoring_port": self.api.monitoring_port, "ui.port": self.ui.port}
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
        """Where the page finds the API: what the settings name, or the one on this machine."""
        return self.ui.api_url or self.api.url

    @property
    def pods_url(self) -> str:
        """Where the page finds the figures of every process that serves."""
        return self.ui.pods_url or self.ui.api_url or self.api.monitoring_url

    @property
    def cache(self) -> Path:
        """Where verified model packages are kept, by digest."""
        return self.home / "models"

    @property
    def spool(self) -> Path:
        """Where predictions wait for the database."""
        return self.home / "spool"

    @property
    def photo_spool(self) -> Path:
        """Where photos wait for the object store."""
        return self.spool / "photos"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is unknown or malformed; the message names it and the remedy.
    """
    names = os.environ if environ is None else environ
    known = variables() | {API_KEY_VARIABLE: ""}
    if unknown := [name for name in sorted(names) if name.startswith(PREFIX) and name not in known]:
        nearest = difflib.get_close_matches(unknown[0], variables(), n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else "Known ones are listed by `dandelion settings`."
        raise SettingsError(f"{unknown[0]} is not a setting.", hint)
    try:
        return Settings()
    except SourceError as error:
        raise _no_json(names, error) from error
    except ValidationError as error:
        first = error.errors()[0]
        # Section and key; what follows is a place inside the value.
        name = PREFIX + DELIMITER.join(str(part) for part in first["loc"][:2]).upper()
        where = name if first["loc"] else "The settings contradict each other"
        # Sections judge as a whole, and what they judge may hold secrets.
        is_shown = isinstance(first["input"], str | int | float) and not _is_secret(first["loc"])
        shown = f" (it is {first['input']!r})" if is_shown else ""
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}{shown}.") from error


def _no_json(names: Mapping[str, str], error: SourceError) -> SettingsError:
    """What to say of a list or of pairs that are no JSON: pydantic names the section alone. The value may be secret."""
    for name, field in _fields():
        kind = get_origin(field.annotation)
        if kind in _EXAMPLES and names.get(name) and not _is_json(names[name]):
            return SettingsError(f"{name} is no JSON.", f"Write it as in {name}='{_EXAMPLES[kind]}'.")
    return SettingsError(f"The settings cannot be read ({error}).")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_secret(location: tuple[int | str, ...]) -> bool:
    section, key = (*map(str, location), "", "")[:2]
    field = Settings.model_fields.get(section)
    kind = field.annotation if field else None
    is_section = isinstance(kind, type) and issubclass(kind, Section)
    return is_section and key in kind.model_fields and "Secret" in str(kind.model_fields[key].annotation)  # type: ignore[union-attr]


def as_text(found: Settings) -> dict[str, str]:
    """Variable to value, secrets as stars."""
    flat: dict[str, str] = {}
    for key in type(found).model_fields:
        value = getattr(found, key)
        if isinstance(value, Section):
            # str() of a SecretStr is stars, so a secret never gets here.
            inner = {
                f"{PREFIX}{key}{DELIMITER}{name}".upper(): str(getattr(value, name))
                for name in type(value).model_fields
            }
            flat |= inner
        else:
            flat[f"{PREFIX}{key}".upper()] = str(value)
    return flat


def variables() -> dict[str, str]:
    """Every environment variable that is read, with its description."""
    return {name: field.description or "" for name, field in _fields()}


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for key, inner in field.annotation.model_fields.items():
                yield f"{PREFIX}{name}{DELIMITER}{key}".upper(), inner
        else:
            yield f"{PREFIX}{name}".upper(), field
