"""Values that are not what they should be: a sentence for each, or the key that does not exist, and never a bad pod."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import networks
from tests.chart.chart import Helm, HelmError, merged, nested, pods_of

# Each with what the sentence must say beside the value's name.
WRONG = {
    "quota.cpu": ("lots", "a number of cores, such as 2, 0.5 or 500m"),
    "api.resources.requests.cpu": ("two", "a number of cores"),
    "api.spool.size": ("plenty", "a quantity of bytes, such as 512Mi or 2Gi"),
    "mysql.persistence.size": ("10GB", "a quantity of bytes"),
    "prefect.flowRun.resources.limits.memory": ("4 Gi", "a quantity of bytes"),
    "networkPolicy.externalCidrs": (("10.0.0.0", *networks.WRONG), "10.1.2.3/32 for one address"),
    "networkPolicy.kubernetesApiCidrs": (["10.0.0.1/33"], "a network with its length"),
    "api.access.trustedProxies": (networks.WRONG, "an address or a network"),
    "backups.databaseSchedule": ("every day", "the five fields of cron"),
    "backups.objectsSchedule": ("15 4 * *", "the five fields of cron"),
    "alerts.email.smarthost": ("mail.example.com", "a host name and a port, such as mail.example.com:587"),
    "global.externalDatabase.host": ("mysql://db.example.com:3306", "without scheme and port"),
    "global.externalDatabase.existingSecret": ("My_Secret", "a name of Kubernetes"),
    "global.existingSecrets.mysql": ("My Secret", "a name of Kubernetes"),
    "global.storageClass": ("-", "a name of Kubernetes"),
    "minio.persistence.existingClaim": ("data_0", "a name of Kubernetes"),
    "gateway.apiHost": ("https://api.example.com", "a host name in lower case without scheme"),
    "ingress.uiHost": ("Photos.example.com", "a host name in lower case"),
    "global.externalS3.url": ("https://s3.example.com/bucket", "a URL without a path"),
    "global.externalMlflow.url": ("mlflow.example.com", "a URL that begins with http:// or https://"),
    "global.access.jwksUrl": ("ftp://idp.example.com/keys", "a URL that begins with http:// or https://"),
}
RIGHT: dict[str, Any] = {
    "quota.cpu": 1.5,
    "api.resources.requests.cpu": "500m",
    "mysql.persistence.size": "1.5Ti",
    "api.resources.limits.memory": 1073741824,
    "api.resources.requests.memory": "1073741824000m",
    "api.resources.limits": {"nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi", "ephemeral-storage": "1E"},
    "networkPolicy.externalCidrs": list(networks.RIGHT),
    "api.access.trustedProxies": ["10.0.0.1", "fd00::1", "*", *networks.RIGHT],
    "global.access.jwksUrl": "https://idp.example.com/keys?p=policy",
    "global.access.jwtAudience": "dandelion",
    "global.externalS3.url": "https://s3.example.com/",
    "global.externalS3.existingSecret": "s3.keys",
    "minio.enabled": False,
    # What YAML's anchors repeat.
    "x-nodes": {"pool": "gpu"},
    # Others' own keys, which are named like ours.
    "extraManifests": [
        {"apiVersion": "v1", "kind": "Theirs", "metadata": {"name": "x"}, "url": "oci://x", "cpu": "lots"}
    ],
    "global.monitoring.prometheusUrl": "http://prometheus.monitoring.svc:9090/prometheus",
    # What kube-prometheus-stack and its parts read.
    "global.rbac": {"create": True, "createAggregateClusterRoles": False},
    "global.imagePullSecrets": ["mirror", {"name": "another"}],
}
# What the schema refuses, and what it says.
UNKNOWN = {
    "api.settings": ({"DANDELION_API__PROT": "1"}, "'DANDELION_API__PROT' not allowed"),
    "ui.settings": ({"DANDELION_UI__TITEL": "x"}, "'DANDELION_UI__TITEL' not allowed"),
    "prefect.flowRun.settings": ({"EPOCHS": "1"}, "'EPOCHS' not allowed"),
    "global.pod.tolerations": ([{"kee": "gpu"}], "'kee' not allowed"),
    "mlflow.pod.nodeSelector": ({"gpu": True}, "at '/mlflow/pod/nodeSelector/gpu'"),
    "mysql.pod.volumes": ([{"nmae": "x"}], "'nmae' not allowed"),
    "mlflow.pod.labels": ({"team": "a b"}, "at '/mlflow/pod/labels/team'"),
    "minio.pod.tolerations": ([{"operator": "Exist", "effect": "NoSchedul"}], "at '/minio/pod/tolerations/0/effect'"),
    "minio.resources": ({"limit": {}}, "'limit' not allowed"),
    "mysql.resources.requests": ({"cpus": 1}, "'cpus' not allowed"),
    "networkPolicy.ingressFrom": ([{"namespaces": {}}], "'namespaces' not allowed"),
    "networkPolicy.apiEgressPorts": ([99999], "maximum: got 99,999"),
    "gateway.parentRefs": ([{"namespace": "gateways"}], "missing property 'name'"),
}


# https://pkg.go.dev/github.com/robfig/cron/v3, which reads the schedules of CronJobs.
SCHEDULES_RIGHT = (
    *(
        "*/15 0-6,22 1 JAN,JUL MON-FRI",
        "@daily",
        "@every 1h30m",
        "0 4 * * sun",
        "5/10 ? 31 12 6",
        "0 0 1-7/2 jan-Mar *",
    ),
)
SCHEDULES_WRONG = (
    *("every day", "15 4 * *", "61 25 * * *", "0 24 * * *", "0 4 * * 7", "0 4 0 * *", "0 4 * 13 *", "0 5-2 * * *"),
    *("*/0 4 * * *", "0 4 * FOO BAR", "0 4 JAN * *", "0 4 , * *", "0 4 * * * *", "@every day", "@reboot"),
)


def values(given: dict[str, Any]) -> dict[str, Any]:
    lists = {path: list(value) for path, value in given.items() if isinstance(value, tuple)}
    return merged(*(nested(path, value) for path, value in {**given, **lists}.items()))


def lines_of(helm: Helm, given: dict[str, Any]) -> list[str]:
    """What Helm refuses, a line each."""
    with pytest.raises(HelmError) as refused:
        helm.template(given)
    return [line for line in str(refused.value).splitlines() if line.startswith("- ")]


def test_each_wrong_value_is_named_with_what_to_write(helm: Helm) -> None:
    lines = lines_of(helm, values({path: value for path, (value, _) in WRONG.items()}))
    wanted = 0
    for path, (value, says) in WRONG.items():
        for text in [value] if isinstance(value, str) else value:
            found = [line for line in lines if line.startswith(f'- {path} is "{text}": write ')]
            assert len(found) == 1, f"{path} {text}: {lines}"
            assert says in found[0]
            wanted += 1
    assert len(lines) == wanted, lines


def test_wrong_values_within_lists_are_named(helm: Helm) -> None:
    block = {"cidr": "10.0.0.0", "except": ["1:2/64"]}
    sidecar = {"name": "helper", "resources": {"requests": {"cpu": "lots"}}}
    lines = lines_of(
        helm, values({"networkPolicy.ingressFrom": [{"ipBlock": block}], "mlflow.pod.sidecars": [sidecar]})
    )
    assert [line.partition(": write")[0] for line in lines] == [
        '- mlflow.pod.sidecars[0].resources.requests.cpu is "lots"',
        '- networkPolicy.ingressFrom[0].ipBlock.cidr is "10.0.0.0"',
        '- networkPolicy.ingressFrom[0].ipBlock.except is "1:2/64"',
    ]


def test_right_values_are_taken(helm: Helm) -> None:
    manifests = helm.template(values(RIGHT))
    for _, _, pod in pods_of(manifests):
        assert pod["imagePullSecrets"] == [{"name": "mirror"}, {"name": "another"}]
        for container in pod["containers"]:
            for each in container.get("env", ()):
                assert each.get("value") != "https://s3.example.com/", "two slashes would follow the host"


def test_schedules_are_those_that_kubernetes_takes(helm: Helm, tmp_path: Path) -> None:
    """One render for all: annotations stand in for the chart's schedules."""
    chart = tmp_path / "dandelion"
    shutil.copytree(helm.chart, chart)
    (chart / "templates" / "schedules.yaml").write_text(
        "{{ range .Values.global.pod.annotations }}\n"
        "---\napiVersion: v1\nkind: Schedule\nmetadata: {name: x}\ntext: {{ . | quote }}\n"
        'taken: {{ include "dandelion.validation.cron" . | quote }}\n{{ end }}\n'
    )
    given = {str(number): text for number, text in enumerate(SCHEDULES_RIGHT + SCHEDULES_WRONG)}
    found = Helm("helm", chart).template(nested("global.pod.annotations", given), only="templates/schedules.yaml")
    assert [each["text"] for each in found if each["taken"]] == list(SCHEDULES_RIGHT)
    assert len(found) == len(SCHEDULES_RIGHT + SCHEDULES_WRONG)


def test_schedules_of_flows_that_are_no_json_are_named(helm: Helm) -> None:
    (line,) = lines_of(helm, {"prefect": {"flowRun": {"settings": {"DANDELION_PREFECT__SCHEDULES": "{bad"}}}})
    assert 'DANDELION_PREFECT__SCHEDULES is "{bad": write a JSON object' in line


def test_a_large_number_stays_a_number_in_a_setting(helm: Helm) -> None:
    settings = {"DANDELION_OBJECTS__PART_BYTES": 67108864, "DANDELION_LOG__ACCESS": True}
    given = dict.fromkeys(("api.settings", "ui.settings", "prefect.flowRun.settings"), settings)
    seen = 0
    for name, labels, pod in pods_of(helm.template(values(given))):
        if labels["app.kubernetes.io/component"] in {"api", "ui", "flow-run"}:
            (container,) = pod["containers"]
            found = {each["name"]: each.get("value") for each in container["env"]}
            assert (found["DANDELION_OBJECTS__PART_BYTES"], found["DANDELION_LOG__ACCESS"]) == ("67108864", "true"), (
                name
            )
            seen += 1
    assert seen == 3


def test_each_unknown_key_is_named(helm: Helm) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template(values({path: value for path, (value, _) in UNKNOWN.items()}))
    for path, (_, says) in UNKNOWN.items():
        assert says in str(refused.value), path
