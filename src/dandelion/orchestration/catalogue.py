"""All flows and their schedules, as `flows/prefect.yaml` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

import dandelion
from dandelion.errors import OrchestrationError, SettingsError
from dandelion.settings import PrefectSettings

FILE = "prefect.yaml"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow and its schedule; flow and deployment share their name.

    Attributes:
        name: The name of both.
        entrypoint: File and function, `retrain.py:retrain`.
        description: What it does.
        cron: Its schedule, UTC; empty if it runs only when triggered.
        resumes_after_crash: Whether a killed run triggers another run, which resumes it.
    """

    name: str
    entrypoint: str
    description: str
    cron: str
    resumes_after_crash: bool = False


def flows_folder(options: PrefectSettings) -> Path:
    """The folder of the flows: from the settings, in the installed package, or beside the sources.

    Raises:
        OrchestrationError: None of these folders holds the flows.
    """
    package = Path(dandelion.__file__).parent
    # In a wheel, in an image, in a checkout.
    own = [package / "_flows", package.parent / "flows", package.parents[1] / "flows"]
    places = [options.flows] if options.flows else own
    for place in places:
        if (place / FILE).is_file():
            return place
    raise OrchestrationError(
        f"There is no {FILE} in {' or '.join(str(place) for place in places)}.",
        "Set DANDELION_PREFECT__FLOWS to the folder of the flows.",
    )


def list_deployments(options: PrefectSettings) -> list[Deployment]:
    """Every flow, with its schedule from the settings or else from the file.

    Raises:
        OrchestrationError: The file is missing or cannot be read.
        SettingsError: The settings name an unknown flow.
    """
    file = flows_folder(options) / FILE
    try:
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
        own = {each["name"]: [every["cron"] for every in each.get("schedules", [])] for each in listed}
        found = [
            Deployment(
                name=each["name"],
                entrypoint=each["entrypoint"],
                description=each["description"],
                cron=options.schedules.get(each["name"], next(iter(own[each["name"]]), "")),
                resumes_after_crash="resumes-after-crash" in each.get("tags", []),
            )
            for each in listed
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise OrchestrationError(f"{file} cannot be read ({error}).", "Install Dandelion again.") from error
    if unknown := sorted(options.schedules.keys() - own.keys()):
        raise SettingsError(
            f"DANDELION_PREFECT__SCHEDULES names the unknown flow {unknown[0]!r}.", f"Name one of: {', '.join(own)}."
        )
    return found
