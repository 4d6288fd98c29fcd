"""Accounts on a MinIO server: one for each program, with no more rights than it needs.

Plain S3 has no accounts, so only this module uses MinIO's own protocol, with the administrator's keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException

from dandelion.errors import ObjectStoreError, SettingsError
from dandelion.objects.connections import Pool
from dandelion.settings import S3Settings

FILES = ("access-key", "secret-key", "policy.json")
MARK = "Made by Dandelion"  # the description of our accounts; others are nobody's business of ours


@dataclass(frozen=True, slots=True)
class Account:
    """Keys and their policy.

    Attributes:
        name: The program that uses it.
        access_key: 3 to 20 characters.
        secret_key: 8 to 40 characters.
        policy: An S3 policy document.
    """

    name: str
    access_key: str
    secret_key: str
    policy: dict[str, Any]


def read_accounts(folder: Path) -> list[Account]:
    """One account a sub-folder, from the files `access-key`, `secret-key` and `policy.json`, like mounted Secrets.

    Raises:
        SettingsError: A file is missing, or the policy is not JSON.
    """
    found = []
    for each in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            access, secret, policy = ((each / name).read_text(encoding="utf-8").strip() for name in FILES)
            found.append(Account(each.name, access, secret, json.loads(policy)))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{each} is not a valid account ({error}).", f"Put the files {', '.join(FILES)} there."
            ) from error
    return found


def ensure_accounts(options: S3Settings, accounts: Sequence[Account]) -> list[str]:
    """Create the missing accounts and update secret and policy of the others; return the names of the created ones.

    MinIO ties an account to the administrator who created it, and refuses all its requests once the administrator has
    another name: then the account is created anew. An account of ours that had another access key is deleted.

    Args:
        options: Address of MinIO, and its administrator's keys.
        accounts: The wanted accounts; those of other programs are not changed.

    Raises:
        ObjectStoreError: MinIO does not respond, or refuses.
        SettingsError: The address or the keys are not set.
    """
    if options.url is None or options.access_key is None or options.secret_key is None:
        raise SettingsError(
            "There is no MinIO server to create accounts on.",
            "Set DANDELION_OBJECTS__URL and the administrator's DANDELION_OBJECTS__ACCESS_KEY and __SECRET_KEY.",
        )
    url = urllib3.util.parse_url(options.url)
    admin = MinioAdmin(
        endpoint=str(url.netloc),
        credentials=StaticProvider(options.access_key.get_secret_value(), options.secret_key.get_secret_value()),
        region=options.region,
        secure=url.scheme == "https",
        http_client=Pool(options, urllib3.Retry(3)),
    )
    administrator, created = options.access_key.get_secret_value(), []
    for account in accounts:
        wanted: dict[str, Any] = {
            "access_key": account.access_key,
            "secret_key": account.secret_key,
            "policy": account.policy,
        }
        try:
            parent = _find_parent(admin, account.access_key)
            if parent == administrator:
                admin.update_service_account(name=account.name, description=MARK, **wanted)
            else:
                if parent is not None:
                    admin.delete_service_account(account.access_key)
                admin.add_service_account(name=account.name, description=MARK, **wanted)
                created.append(account.name)
            _delete_former(admin, administrator, account)
        except (MinioAdminException, MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ObjectStoreError(
                f"The account of {account.name} cannot be created or updated at {options.url} ({reason}).",
                "Check that it is a MinIO server and that the keys are its administrator's.",
            ) from error
    return created


def _find_parent(admin: MinioAdmin, access_key: str) -> str | None:
    """The administrator who created an account; None if there is no such account."""
    try:
        return str(json.loads(admin.get_service_account(access_key))["parentUser"])
    except MinioAdminException as error:
        if "XMinioInvalidIAMCredentials" in str(error) or "XMinioAdminServiceAccountNotFound" in str(error):
            return None
        raise


def _delete_former(admin: MinioAdmin, administrator: str, account: Account) -> None:
    for each in json.loads(admin.list_service_account(administrator))["accounts"] or ():
        ours = (each.get("name"), each.get("description")) == (account.name, MARK)
        if ours and each["accessKey"] != account.access_key:
            admin.delete_service_account(each["accessKey"])
