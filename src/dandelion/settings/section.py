"""What every section of settings shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dandelion.http.addresses import check_proxy

PREFIX = "DANDELION_"
DELIMITER = "__"
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Url = Annotated[str, Field(pattern=r"^https?://")]
ServerUrl = Annotated[str, Field(pattern=r"^https?://[^/?#@]+$")]  # without a path
Proxy = Annotated[str, AfterValidator(check_proxy)]
TRUSTED_PROXIES = (
    'Addresses or networks of proxies whose `X-Forwarded-For` is trusted, `["10.0.0.0/8"]`; `*` means any.'
)


class Section(BaseModel):
    """What every section shares: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
