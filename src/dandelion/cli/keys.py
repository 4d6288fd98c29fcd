"""`dandelion keys`: who may use the API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast, get_args

import typer
from rich.table import Table

from dandelion.cli.audit import actor
from dandelion.cli.database import in_transaction
from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.domain import AccessScope, ApiKey
from dandelion.settings import load_settings

app = typer.Typer(no_args_is_help=True)

SCOPES = get_args(AccessScope)


def _scope(text: str) -> str:
    if text not in SCOPES:
        raise typer.BadParameter(f"{text!r} is not a scope: choose from {', '.join(SCOPES)}.")
    return text


Name = Annotated[str, typer.Argument(help="Who or what uses it; shown in history and audit log.")]
Scopes = Annotated[
    list[str], typer.Option(parser=_scope, metavar="SCOPE", help=f"{', '.join(SCOPES)}; may be repeated.")
]


@app.command(epilog="Example: dandelion keys create website --scope predict --scope feedback --expires 90d")
def create(
    name: Name,
    scope: Scopes,
    expires: Annotated[timedelta | None, age("15m, 12h, 90d or 8w; by default never.")] = None,
    as_json: Json = False,
) -> None:
    """Create a key and print it once; only its digest is stored."""
    from dandelion.access.keys import create_key
    from dandelion.db import keys

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,79}", name) is None:
        raise typer.BadParameter(f"{name!r} is not a valid key name: use up to 80 letters, digits and ._@- .")
    text, identity, digest = create_key()
    now = datetime.now(UTC)
    key = ApiKey(
        id=identity,
        name=name,
        digest=digest,
        scopes=cast("tuple[AccessScope, ...]", tuple(sorted(set(scope)))),
        created_at=now,
        expires_at=now + expires if expires else None,
    )
    in_transaction(lambda on: keys.create(on, key, actor=actor()))
    if as_json:
        print_json({"key": text, **_shown(key)})
    else:
        typer.echo(text)
        console(error=True).print("Save it now: it is not shown again. Send it as `Authorization: Bearer KEY`.")


@app.command("list", epilog="Example: dandelion keys list --json")
def list_keys(as_json: Json = False) -> None:
    """List all keys, including expired and revoked ones."""
    from dandelion.db import keys

    found = in_transaction(keys.list_all)
    if as_json:
        print_json([_shown(key) for key in found])
        return
    table = Table("Name", "State", "Scopes", "Created", "Expires")
    for key in found:
        shown = _shown(key)
        table.add_row(key.name, shown["state"], " ".join(key.scopes), _day(key.created_at), _day(key.expires_at))
    console().print(table)


@app.command(epilog="Example: dandelion keys revoke website")
def revoke(name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Revoke a key; it stops working within DANDELION_ACCESS__KEY_CACHE_SECONDS."""
    from dandelion.db import keys

    in_transaction(lambda on: keys.revoke(on, name, actor=actor()))
    console().print(f"The key {name} is revoked.")


@app.command(epilog="Example: dandelion keys token smoke-test --scope predict --expires 10m")
def token(
    name: Name,
    scope: Scopes,
    expires: Annotated[timedelta | None, age("1h, 90d or 8w; by default 15 minutes.")] = None,
) -> None:
    """Sign a token with the first of DANDELION_ACCESS__JWT_SECRETS and print it; it is not stored."""
    from dandelion.access.tokens import sign_token

    typer.echo(
        sign_token(load_settings().access, name, cast("list[AccessScope]", scope), expires or timedelta(minutes=15))
    )


def _shown(key: ApiKey) -> dict[str, Any]:
    why = key.why_over(datetime.now(UTC).timestamp())
    return {
        "name": key.name,
        "state": "revoked" if key.revoked_at else "expired" if why else "active",
        "scopes": list(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
