"""Settings: where Prefect is, and how flows run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from dandelion.settings.section import Port, Section, TimeZone, Url


class PrefectSettings(Section):
    """Where Prefect is, and how flows run."""

    url: Url | None = Field(
        None, description="Prefect server, `http://host:4200`; none means the embedded one of `dandelion up`."
    )
    ui_url: Url | None = Field(None, description="Address of Prefect's web page for people, if it is another one.")
    host: str = Field("127.0.0.1", description="Address that the embedded Prefect server listens on.")
    port: Port = Field(4200, description="Port that the embedded Prefect server listens on.")
    auth: SecretStr | None = Field(None, description="`user:password` of a Prefect server that requires it.")
    schedules: dict[str, str] = Field(
        {},
        description="Cron schedules, by flow, which replace the flows' own: "
        '`{"retrain": "0 4 * * *"}`; an empty one removes the schedule.',
    )
    time_zone: TimeZone = Field(
        "UTC", description="Time zone of all schedules, a name of the IANA database: `Europe/Paris`."
    )
    runner: Literal["threads", "dask", "ray"] = Field(
        "threads", description="Where shards run; Dask and Ray need the extras `dask` and `ray`."
    )
    runner_address: str | None = Field(
        None, description="Dask scheduler, `tcp://host:8786`, or Ray head; none starts one on this machine."
    )
    shard_photos: int = Field(1024, ge=1, description="Number of photos per task.")
