"""Register the flows for a work pool, whose workers start each run as a Job, a container or a process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dandelion.errors import OrchestrationError, SettingsError
from dandelion.flows.catalogue import list_deployments
from dandelion.flows.serve import as_runner_deployment, use_prefect, wait_for_prefect
from dandelion.settings import Settings

KUBERNETES = "kubernetes"


async def deploy(
    settings: Settings,
    pool: str,
    kind: str,
    *,
    concurrency: int | None,
    folder: Path,
    template: Mapping[str, Any] | None,
    variables: Mapping[str, Any],
) -> list[str]:
    """Create or update a work pool and every deployment; return the deployments' names. May be repeated.

    Args:
        settings: Where Prefect is, and the schedules.
        pool: The work pool; it is created if it does not exist.
        kind: Its type: `kubernetes`, `process`, `docker` ...
        concurrency: Maximum number of runs at once; None sets no limit.
        folder: Working directory of the runs.
        template: Base job template of the pool; None means one that passes Pod Security "restricted" on Kubernetes, and
            Prefect's own elsewhere.
        variables: Variables of the template: `image`, `namespace`, `service_account_name`, `env` ...

    Raises:
        OrchestrationError: Prefect does not respond, or refuses the template.
        SettingsError: No worker of the pool's type is installed here.
    """
    use_prefect(settings.prefect)
    await wait_for_prefect(settings)
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
    from prefect.exceptions import PrefectException, PrefectHTTPStatusError
    from prefect.runner.storage import LocalStorage

    template = dict(template or await _template(kind))
    if kind == KUBERNETES:
        check_job(template)
    deployments = list_deployments(settings.prefect)
    try:
        async with get_client() as client:
            wanted = WorkPoolCreate(name=pool, type=kind, base_job_template=template, concurrency_limit=concurrency)
            await client.create_work_pool(wanted, overwrite=True)
            for each in deployments:
                deployment = as_runner_deployment(each)
                deployment.storage = LocalStorage(str(folder))
                deployment.work_pool_name = pool
                deployment.job_variables = dict(variables)
                identity = await deployment.aapply()
                if not each.cron:  # else Prefect leaves an earlier schedule in place
                    await client.update_deployment(identity, DeploymentUpdate(schedules=[]))
    except (PrefectHTTPStatusError, PrefectException) as error:
        raise OrchestrationError(
            f"Prefect refused the work pool or a deployment ({error}).", "Check the template and Prefect's log."
        ) from error
    return [each.name for each in deployments]


def read_template(file: Path) -> dict[str, Any]:
    """A base job template, JSON or YAML.

    Raises:
        OrchestrationError: It cannot be read.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, yaml.YAMLError) as error:
        raise OrchestrationError(f"{file} cannot be read ({error}).", "Give a file in JSON or YAML.") from error
    if not isinstance(found, dict) or not {"job_configuration", "variables"} <= found.keys():
        raise OrchestrationError(
            f"{file} is no base job template.", "Give a file with `job_configuration` and `variables`."
        )
    return found


def check_job(template: Mapping[str, Any]) -> None:
    """Check that Prefect's worker accepts the job manifest; otherwise every run would fail.

    Raises:
        OrchestrationError: The worker does not accept it.
    """
    from prefect.utilities.templating import apply_values
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration
    from pydantic import ValidationError

    try:
        variables = template["variables"].get("properties", {})
        defaults = {name: each["default"] for name, each in variables.items() if "default" in each}
        # The worker fills the placeholders before it validates the manifest.
        manifest = apply_values(json.loads(json.dumps(template["job_configuration"]["job_manifest"])), defaults)
        KubernetesWorkerJobConfiguration(job_manifest=manifest, env={}, labels={}, name="", namespace="", command="")
    except (KeyError, ValidationError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"it has no {error}"
        raise OrchestrationError(
            f"Prefect's worker does not accept the job template: {why}.", "Correct the template's `job_manifest`."
        ) from error


async def _template(kind: str) -> dict[str, Any]:
    from prefect.plugins import load_prefect_collections
    from prefect.workers.base import BaseWorker

    load_prefect_collections()
    worker = BaseWorker.get_worker_class_from_type(kind)
    if worker is None:
        known = ", ".join(sorted(BaseWorker.get_all_available_worker_types()))
        raise SettingsError(
            f"Workers of type {kind!r} are not installed.",
            f"Installed types: {known}. For Kubernetes: pip install 'dandelion[kubernetes]'.",
        )
    template: dict[str, Any] = json.loads(json.dumps(worker.get_default_base_job_template()))
    return restrict(template) if kind == KUBERNETES else template


def restrict(template: dict[str, Any]) -> dict[str, Any]:
    """Change Prefect's template of a Kubernetes Job so that it passes Pod Security "restricted"; root is read-only."""
    job = template["job_configuration"]["job_manifest"]["spec"]
    pod = job["template"]["spec"]
    pod |= {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    pod["containers"][0] |= {
        "command": ["/usr/bin/env"],  # the image's own entrypoint is `dandelion`
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- a pod's
    }
    defaults = {
        "finished_job_ttl": 3600,
        "pod_watch_timeout_seconds": 300,
        "cpu_request": "500m",
        "memory_request": "2Gi",
        "memory_limit": "4Gi",
    }
    for name, value in defaults.items():
        template["variables"]["properties"][name]["default"] = value
    return template
