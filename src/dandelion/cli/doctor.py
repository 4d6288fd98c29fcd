"""`dandelion doctor`: can this machine run Dandelion, and if not, what to do."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.output import console
from dandelion.errors import DandelionError, PortInUseError
from dandelion.http.sockets import check_port
from dandelion.settings import Settings, load_settings

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_MIN_FREE_BYTES = 2 * 1024**3
_MIN_MEMORY_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    Attributes:
        what: What was checked.
        state: `fail` means that Dandelion does not work.
        saw: What was found.
        remedy: What to do; empty for nothing.
    """

    what: str
    state: Literal["ok", "warn", "fail"]
    saw: str
    remedy: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False) -> None:
    """Check machine, packages, settings, ports, registry and model; exit status 1 if a check fails."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table("Checked", "", "Found", "What to do")
        for finding in findings:
            state = f"[{_COLOURS[finding.state]}]{finding.state}[/]"
            table.add_row(finding.what, state, escape(finding.saw), escape(finding.remedy))
        console().print(table)
    raise typer.Exit(1 if any(finding.state == "fail" for finding in findings) else 0)


def examine() -> list[Finding]:
    """Run every check, in an order where one failure explains the next ones."""
    findings = [_machine(), _memory(), _acceleration(), _extras()]
    try:
        settings = load_settings()
    except DandelionError as error:
        return [*findings, Finding("Settings", "fail", error.message, error.remedy)]
    findings.append(Finding("Settings", "ok", "all known and well-formed"))
    checks: list[Callable[[Settings], Finding]] = [_home, _api_port, _registry, _model]
    return findings + [check(settings) for check in checks]


def _machine() -> Finding:
    from dandelion.inference.cores import usable_cores

    cores = usable_cores()
    saw = f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"
    return Finding("Machine", "ok" if cores > 1 else "warn", saw, "" if cores > 1 else "Use two cores or more.")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    enough = total >= _MIN_MEMORY_BYTES
    return Finding(
        "Memory",
        "ok" if enough else "warn",
        f"{total / 1024**3:.1f} GiB",
        "" if enough else "Training needs 2 GiB or more.",
    )


def _acceleration() -> Finding:
    import openvino as ov

    core = ov.Core()
    found = [name for name in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") if name in {"BF16", "INT8", "FP16"}]
    return Finding(
        "Processor", "ok", f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}: {', '.join(found) or 'FP32 only'}"
    )


def _extras() -> Finding:
    parts = {"train": "torch", "flows": "prefect", "ui": "gradio"}
    missing = [extra for extra, module in parts.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return Finding("Extras", "ok", "train, flows and ui")
    return Finding("Extras", "warn", f"without {', '.join(missing)}", f"pip install 'dandelion[{','.join(missing)}]'")


def _home(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".probe"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return Finding(
            "Home folder",
            "fail",
            f"{settings.home}: {error.strerror}",
            "Set DANDELION_HOME to a folder that you can write to.",
        )
    free = shutil.disk_usage(settings.home).free
    if free < _MIN_FREE_BYTES:
        return Finding(
            "Home folder", "warn", f"{settings.home}: {free / 1024**3:.1f} GiB free", "Free some space: 2 GiB or more."
        )
    return Finding("Home folder", "ok", f"{settings.home}: {free / 1024**3:.0f} GiB free")


def _api_port(settings: Settings) -> Finding:
    from dandelion.client import Client

    what, where = "API", settings.api.url
    try:
        check_port(settings.api.host, settings.api.port, "DANDELION_API__PORT")
    except PortInUseError as in_use:
        try:
            with Client(where, timeout_seconds=3, patience_seconds=3) as client:
                return Finding(what, "ok", f"{where} serves version {client.model()['version']}")
        except (DandelionError, KeyError):
            return Finding(what, "fail", f"something else listens on {where}", in_use.remedy)
    except DandelionError as error:
        return Finding(what, "fail", error.message, error.remedy)
    return Finding(what, "ok", f"port {settings.api.port} is free", "dandelion up")


def _registry(settings: Settings) -> Finding:
    from dandelion.registry import create_registry, would_be_created

    if would_be_created(settings):
        return Finding("Registry", "ok", "embedded, not created yet", "dandelion up")
    try:
        champion = create_registry(settings).find_alias(settings.model.alias)
    except DandelionError as error:
        return Finding("Registry", "fail", error.message, error.remedy)
    if champion is None:
        return Finding(
            "Registry", "warn", f"no version has the alias {settings.model.alias}", "dandelion train --data DIR"
        )
    return Finding("Registry", "ok", f"{champion.name} version {champion.version} is {settings.model.alias}")


def _model(settings: Settings) -> Finding:
    import io

    from PIL import Image

    from dandelion.inference.classifier import Classifier
    from dandelion.inference.source import ModelSource

    photo = io.BytesIO()
    Image.new("RGB", (320, 240), "green").save(photo, "JPEG")
    try:
        found = ModelSource(settings).first()
        classifier = Classifier.load(found.package, settings.inference)
        result = classifier.classify([photo.getvalue()])[0]
    except DandelionError as error:
        return Finding("Model", "fail", error.message, error.remedy)
    if isinstance(result, DandelionError):
        return Finding("Model", "fail", str(result))
    return Finding("Model", "ok", f"version {found.ref.version} classifies in {classifier.precision}")
