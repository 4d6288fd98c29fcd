"""Settings: what is kept of the people who send photos."""

from __future__ import annotations

from pydantic import Field, SecretStr

from dandelion.settings.section import Section


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
