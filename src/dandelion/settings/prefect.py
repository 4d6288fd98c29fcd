"""Settings: where Prefect is, and how flows run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from dandelion.settings.section import Port, Section


class PrefectSettings(Section):
    """Where Prefect is, and how flows run."""

    url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Prefect server, `http://host:4200`; none means the embedded one of `dandelion up`.",
    )
    ui_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where people open Prefect's web page, if that is another address.",
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
