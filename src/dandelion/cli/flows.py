"""`dandelion flows`: list flows, serve them here, or register them for a work pool."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

app = typer.Typer(no_args_is_help=True)


@app.command("list", epilog="Example: dandelion flows list")
def list_flows(as_json: Json = False) -> None:
    """List the flows and their schedules."""
    from dandelion.flows.catalogue import list_deployments

    options = load_settings().prefect
    found = list_deployments(options)
    if as_json:
        print_json(found)
        return
    table = Table("Flow", f"Cron ({options.time_zone})", "What it does")
    for each in found:
        table.add_row(each.name, each.cron or "on request", each.description)
    console().print(table)


@app.command(epilog="Example: dandelion flows serve")
def serve() -> None:
    """Run triggered and scheduled flows on this machine until Ctrl-C; `dandelion up` includes this."""
    from dandelion.flows.serve import serve as run

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
    folder: Annotated[Path, typer.Option(help="Working directory of the runs.")] = Path("/"),
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
    from dandelion.flows.deploy import deploy as register
    from dandelion.flows.deploy import read_template

    given: dict[str, Any] = {
        "image": image or None,
        "namespace": namespace,
        "service_account_name": service_account,
        "env": dict(_pair(each) for each in env) if env else None,
    }
    deploying = register(
        load_settings(),
        pool,
        kind,
        concurrency=concurrency,
        folder=folder,
        template=read_template(job_template) if job_template else None,
        variables={name: value for name, value in given.items() if value is not None},
    )
    names = asyncio.run(deploying)
    console().print(f"The work pool {pool} runs {', '.join(names)}.")


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE.")
    return name, value
