"""`dandelion flows`: list flows, serve them here, or register them for a work pool."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dandelion.cli.output import console

app = typer.Typer(no_args_is_help=True)


@app.command("list", epilog="Example: dandelion flows list")
def list_flows(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False) -> None:
    """List the flows and their schedules."""
    from dataclasses import asdict

    from dandelion.orchestration.catalogue import list_deployments
    from dandelion.settings import load_settings

    found = list_deployments(load_settings().prefect)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
        return
    table = Table("Flow", "Cron (UTC)", "What it does")
    for each in found:
        table.add_row(each.name, each.cron or "on request", each.description)
    console().print(table)


@app.command(epilog="Example: dandelion flows serve")
def serve() -> None:
    """Run triggered and scheduled flows on this machine until Ctrl-C; `dandelion up` includes this."""
    from dandelion.orchestration.serve import serve as run
    from dandelion.settings import load_settings

    run(load_settings(), lambda line: console().print(line, markup=False))


@app.command(
    epilog="Example: dandelion flows deploy --pool dandelion --type kubernetes --image ghcr.io/me/dandelion-worker:1.0"
)
def deploy(
    pool: Annotated[str, typer.Option(help="Work pool; created if it does not exist.")],
    kind: Annotated[
        str, typer.Option("--type", help="Type of the work pool: kubernetes, process, docker ...")
    ] = "kubernetes",
    image: Annotated[str | None, typer.Option(help="Container image of the runs.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Kubernetes namespace of the runs.")] = None,
    service_account: Annotated[str | None, typer.Option(help="Kubernetes service account of the runs.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Environment variable of the runs; may be repeated.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Maximum number of concurrent runs.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the flows where they run; by default the same as here.")
    ] = None,
    job_template: Annotated[
        Path | None,
        typer.Option(
            help="Base job template of the pool, JSON or YAML; the default satisfies Pod Security restricted."
        ),
    ] = None,
) -> None:
    """Register all flows and their schedules for a work pool; safe to repeat.

    A Prefect worker then runs them: prefect worker start --pool NAME --type kubernetes
    """
    from dandelion.orchestration.deploy import Target, read_template
    from dandelion.orchestration.deploy import deploy as register
    from dandelion.settings import load_settings

    given: dict[str, Any] = {
        "namespace": namespace,
        "service_account_name": service_account,
        "env": dict(_pair(each) for each in env) if env else None,
    }
    target = Target(
        pool=pool,
        kind=kind,
        concurrency=concurrency,
        image=image,
        folder=folder,
        template=read_template(job_template) if job_template else None,
        variables={name: value for name, value in given.items() if value is not None},
    )
    names = asyncio.run(register(load_settings(), target))
    console().print(f"The work pool {pool} runs {', '.join(names)}.")


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE.")
    return name, value
