"""Settings: what is stored about the people who send photos."""

from __future__ import annotations

from pydantic import Field, SecretStr

from dandelion.settings.section import Section


class PrivacySettings(Section):
    """What is stored about the people who send photos."""

    keep_clients: bool = Field(
        True, description="Store the client of a prediction as a keyed hash, so that all its photos can be erased."
    )
    client_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Key of these hashes, the same for all replicas; none means a generated one in the home folder.",
    )
