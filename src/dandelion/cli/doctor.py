"""`dandelion doctor`: can this machine run Dandelion, and if not, what to do."""

from __future__ import annotations

import importlib.util
import io
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from typing import Literal

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.errors import DandelionError, PortInUseError
from dandelion.http.sockets import check_port
from dandelion.settings import Settings, load_settings

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_MIN_FREE_BYTES = 2 * 1024**3
_MIN_MEMORY_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the table: what was checked and found, and what to do; `fail` means that Dandelion does not work."""

    what: str
    state: Literal["ok", "warn", "fail"]
    saw: str
    remedy: str = ""


def doctor(as_json: Json = False) -> None:
    """Check machine, packages, settings, ports, registry and model; exit status 1 if a check fails."""
    findings = examine()
    if as_json:
        print_json(findings)
    else:
        table = Table("Checked", "", "Found", "What to do")
        for finding in findings:
            state = f"[{_COLOURS[finding.state]}]{finding.state}[/]"
            table.add_row(finding.what, state, escape(finding.saw), escape(finding.remedy))
        console().print(table)
    raise typer.Exit(1 if any(finding.state == "fail" for finding in findings) else 0)


def examine() -> list[Diagnosis]:
    """Run every check, in an order where one failure explains the next ones."""
    findings = [_machine(), _memory(), _acceleration(), _extras()]
    try:
        settings = load_settings()
    except DandelionError as error:
        return [*findings, Diagnosis("Settings", "fail", error.message, error.remedy)]
    findings.append(Diagnosis("Settings", "ok", "all known and well-formed"))
    return findings + [check(settings) for check in (_home, _api_port, _registry, _model)]


def _machine() -> Diagnosis:
    from dandelion.inference.cores import usable_cores

    cores = usable_cores()
    saw = f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"
    return Diagnosis("Machine", "ok" if cores > 1 else "warn", saw, "" if cores > 1 else "Use two cores or more.")


def _memory() -> Diagnosis:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    saw = f"{total / 1024**3:.1f} GiB"
    if total < _MIN_MEMORY_BYTES:
        return Diagnosis("Memory", "warn", saw, "Training needs 2 GiB or more.")
    return Diagnosis("Memory", "ok", saw)


def _acceleration() -> Diagnosis:
    import openvino as ov

    core = ov.Core()
    name, capabilities = (core.get_property("CPU", each) for each in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    found = [each for each in capabilities if each in {"BF16", "INT8", "FP16"}]
    return Diagnosis("Processor", "ok", f"{name}: {', '.join(found) or 'FP32 only'}")


def _extras() -> Diagnosis:
    parts = {"train": "torch", "flows": "prefect", "ui": "gradio"}
    missing = [extra for extra, module in parts.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return Diagnosis("Extras", "ok", "train, flows and ui")
    return Diagnosis("Extras", "warn", f"without {', '.join(missing)}", f"pip install 'dandelion[{','.join(missing)}]'")


def _home(settings: Settings) -> Diagnosis:
    what, home = "Home folder", settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        remedy = "Set DANDELION_HOME to a folder that you can write to."
        return Diagnosis(what, "fail", f"{home}: {error.strerror}", remedy)
    free = shutil.disk_usage(home).free
    if free < _MIN_FREE_BYTES:
        return Diagnosis(what, "warn", f"{home}: {free / 1024**3:.1f} GiB free", "Free some space: 2 GiB or more.")
    return Diagnosis(what, "ok", f"{home}: {free / 1024**3:.0f} GiB free")


def _api_port(settings: Settings) -> Diagnosis:
    from dandelion.client import Client

    what, where = "API", settings.api.url
    try:
        check_port(settings.api.host, settings.api.port, "DANDELION_API__PORT")
    except PortInUseError as in_use:
        try:
            with Client(where, timeout_seconds=3, patience_seconds=3) as client:
                return Diagnosis(what, "ok", f"{where} serves version {client.model()['version']}")
        except (DandelionError, KeyError):
            return Diagnosis(what, "fail", f"something else listens on {where}", in_use.remedy)
    except DandelionError as error:
        return Diagnosis(what, "fail", error.message, error.remedy)
    return Diagnosis(what, "ok", f"port {settings.api.port} is free", "dandelion up")


def _registry(settings: Settings) -> Diagnosis:
    from dandelion.registry import create_registry, would_be_created

    if would_be_created(settings):
        return Diagnosis("Registry", "ok", "embedded, not created yet", "dandelion up")
    try:
        champion = create_registry(settings).find_alias(settings.model.alias)
    except DandelionError as error:
        return Diagnosis("Registry", "fail", error.message, error.remedy)
    if champion is None:
        saw = f"no version has the alias {settings.model.alias}"
        return Diagnosis("Registry", "warn", saw, "dandelion train --data DIR")
    return Diagnosis("Registry", "ok", f"{champion.name} version {champion.version} is {settings.model.alias}")


def _model(settings: Settings) -> Diagnosis:
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
        return Diagnosis("Model", "fail", error.message, error.remedy)
    if isinstance(result, DandelionError):
        return Diagnosis("Model", "fail", str(result))
    return Diagnosis("Model", "ok", f"version {found.ref.version} classifies in {classifier.precision}")
