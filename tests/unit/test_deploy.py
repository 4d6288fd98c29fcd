"""Job templates of work pools."""

from __future__ import annotations

import pytest

from dandelion.errors import OrchestrationError, SettingsError
from dandelion.flows.deploy import KUBERNETES, _template, check_job


async def test_jobs_of_kubernetes_are_restricted_and_other_pools_keep_prefects_template() -> None:
    restricted = await _template(KUBERNETES)
    check_job(restricted)
    pod = restricted["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert "job_manifest" not in (await _template("process"))["job_configuration"]


async def test_a_pool_of_an_unknown_type_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"type 'none'.*process"):
        await _template("none")


async def test_a_template_that_prefects_worker_would_not_take_is_refused() -> None:
    template = await _template(KUBERNETES)
    del template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"]
    with pytest.raises(OrchestrationError, match="containers"):
        check_job(template)
    with pytest.raises(OrchestrationError, match="it has no 'job_manifest'"):
        check_job({"job_configuration": {}, "variables": {}})
