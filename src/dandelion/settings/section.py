"""What every section of settings shares."""

from __future__ import annotations

import difflib
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dandelion.http.addresses import check_prefix, check_proxy


def _check_time_zone(name: str) -> str:
    if name == "UTC" or name in (known := zoneinfo.available_timezones()):
        return name
    if not known:
        raise ValueError(f"{name!r} is unknown, since this machine has no time zones. Install tzdata")
    nearest = difflib.get_close_matches(name, sorted(known), n=1) or ["Europe/Paris"]
    raise ValueError(f"there is no time zone {name!r}. Give a name of the IANA database, such as {nearest[0]}")


PREFIX = "DANDELION_"
DELIMITER = "__"
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Url = Annotated[str, Field(pattern=r"^https?://")]
ServerUrl = Annotated[str, Field(pattern=r"^https?://[^/?#@]+$")]  # without a path
Proxy = Annotated[str, AfterValidator(check_proxy)]
Prefix = Annotated[str, AfterValidator(check_prefix)]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
TRUSTED_PROXIES = (
    'Addresses or networks of proxies whose `X-Forwarded-For` and `-Proto` are trusted, `["10.0.0.0/8"]`; `*` means '
    "any."
)
ROOT_PATH = "Path under which a proxy publishes this server, `/dandelion`; the proxy may remove it from requests."
TRUST_PREFIX = (
    "Whether a trusted proxy's `X-Forwarded-Prefix` is trusted, too, and comes before the root path. The proxy must "
    "overwrite what clients send in it: unlike the other headers, most proxies pass it on."
)
KEEP_ALIVE = (
    "How long a connection may be idle between two requests; longer than the proxy in front keeps its connections "
    "(nginx and AWS 60, Google 600), else a request that meets the end of one fails."
)


class Section(BaseModel):
    """What every section shares: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
