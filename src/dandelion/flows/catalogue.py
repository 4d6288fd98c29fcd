"""All flows and their schedules. `flows/prefect.yaml` lists the same for Prefect's own `prefect deploy`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dandelion.errors import SettingsError
from dandelion.settings import PrefectSettings


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow and its schedule; flow and deployment share their name.

    Attributes:
        name: The name of both.
        entrypoint: Module and function.
        description: What it does.
        cron: Its schedule; empty if it runs only when triggered.
        time_zone: The time zone of its schedule, such as `Europe/Paris`.
        resumes_after_crash: Whether a killed run triggers another run, which resumes it.
    """

    name: str
    entrypoint: str
    description: str
    cron: str = ""
    time_zone: str = "UTC"
    resumes_after_crash: bool = False


FLOWS = (
    Deployment(
        "retrain",
        "dandelion.flows.retrain.retrain",
        "Retrains the model when its metrics fall, and puts a better one in service, in seven steps.",
        cron="0 3 * * *",
        resumes_after_crash=True,
    ),
    Deployment(
        "predict-batch",
        "dandelion.flows.predict_batch.predict_batch",
        "Predictions for every photo of a folder or a bucket, one row for each photo.",
    ),
    Deployment(
        "backup",
        "dandelion.flows.backup.backup",
        "Dumps the database, verifies the dump by a restore, and copies the objects to a second place.",
        cron="15 2 * * *",
    ),
    Deployment(
        "monitoring",
        "dandelion.flows.monitoring.monitor",
        "Drift over all processes, accuracy on recent labels, and a report of both.",
        cron="5 * * * *",
    ),
)


def list_deployments(options: PrefectSettings) -> list[Deployment]:
    """Every flow, with its schedule from the settings if they set one, in their time zone.

    Raises:
        SettingsError: The settings name an unknown flow.
    """
    names = [each.name for each in FLOWS]
    if unknown := sorted(options.schedules.keys() - set(names)):
        raise SettingsError(
            f"DANDELION_PREFECT__SCHEDULES names the unknown flow {unknown[0]!r}.", f"Name one of: {', '.join(names)}."
        )
    return [
        replace(each, cron=options.schedules.get(each.name, each.cron), time_zone=options.time_zone) for each in FLOWS
    ]
