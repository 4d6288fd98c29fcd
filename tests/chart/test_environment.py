"""Environments of containers: each name stands once, and what a person sets wins over what the chart sets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chart.chart import Helm, HelmError, Manifest, containers_of, merged, nested, pods_of
from tests.chart.matrix import BACKUPS

REPEATED = {
    "api": {"settings": {"DANDELION_API__DRAIN_SECONDS": "7", "DANDELION_JOURNAL__MAX_BYTES": "1000000"}},
    "ui": {"settings": {"DANDELION_LOG__LEVEL": "warning"}},
    "prefect": {"flowRun": {"settings": {"DANDELION_RELEASE__API_URL": "http://elsewhere:8000"}}},
    "global": {"pod": {"env": [{"name": "DANDELION_MODEL__NAME", "value": "plants"}]}},
}
EXPECTED = {
    "Deployment/dandelion-api": {"DANDELION_API__DRAIN_SECONDS": "7", "DANDELION_JOURNAL__MAX_BYTES": "1000000"},
    "Deployment/dandelion-ui": {"DANDELION_LOG__LEVEL": "warning"},
    "flow run of dandelion-flow-run": {"DANDELION_RELEASE__API_URL": "http://elsewhere:8000"},
}


def test_a_variable_that_is_set_twice_stands_once_as_the_person_set_it(helm: Helm) -> None:
    pods = pods_of(helm.template(merged(BACKUPS, REPEATED)))
    for name, _, pod in pods:
        for container in containers_of(pod):
            entries = [each["name"] for each in container.get("env", [])]
            assert max(Counter(entries).values(), default=1) == 1, (name, container["name"])
            env = {each["name"]: each.get("value") for each in container.get("env", [])}
            assert env.get("DANDELION_MODEL__NAME") == "plants", (name, container["name"])
    found = {name: containers_of(pod)[-1]["env"] for name, _, pod in pods}
    for name, wanted in EXPECTED.items():
        env = {each["name"]: each.get("value") for each in found[name]}
        assert wanted.items() <= env.items(), name


def test_a_variable_stays_where_the_chart_has_it_since_later_ones_may_refer_to_it(helm: Helm) -> None:
    values = nested("global.pod.env", [{"name": "PASSWORD", "value": "mine"}])
    (pod,) = (pod for name, _, pod in pods_of(helm.template(values)) if name == "Deployment/dandelion-mlflow")
    names = [each["name"] for each in containers_of(pod)[-1]["env"]]
    assert names.index("PASSWORD") < names.index("MLFLOW_BACKEND_STORE_URI")


@pytest.mark.parametrize(
    "setting",
    ["api.settings.DANDELION_API__PORT", "ui.settings.DANDELION_UI__HOST", "ui.settings.DANDELION_UI__PORT"],
)
def test_a_setting_that_would_cut_off_probes_and_services_is_refused(helm: Helm, setting: str) -> None:
    part, _, name = setting.partition(".settings.")
    with pytest.raises(HelmError, match=f"{setting} is set: remove it"):
        helm.template({part: {"settings": {name: "9000"}}})


def test_a_new_revision_of_secrets_reaches_every_pod(helm: Helm) -> None:
    values = merged(BACKUPS, nested("global.secretsRevision", "2026-11-29"))
    without = {name for name, annotations in _annotations(helm.template(values)) if "2026-11-29" not in annotations}
    assert without == set()


def _annotations(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    """What stands in the annotations of the pods that a manifest leads to."""
    for each in manifests:
        template = each.get("spec", {}).get("jobTemplate", each).get("spec", {}).get("template")
        if each["kind"] == "ConfigMap" and "job-template.json" in each["data"]:
            job = json.loads(each["data"]["job-template.json"])["job_configuration"]["job_manifest"]
            template = job["spec"]["template"]
        if template:
            annotations = template["metadata"].get("annotations", {})
            yield f"{each['kind']}/{each['metadata']['name']}", " ".join(annotations.values())
