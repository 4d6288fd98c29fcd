"""What the values add to pods lands in every pod that it should: of parts, Jobs, backups, flow runs and tests."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dandelion.flows.deploy import check_job
from tests.chart.chart import (
    ROOT,
    Helm,
    HelmError,
    Manifest,
    containers_of,
    flow_runs_of,
    merged,
    nested,
    of_kind,
    pods_of,
)
from tests.chart.matrix import BACKUPS, EXTERNAL_S3
from tests.servers import tools
from tests.servers.tools.schemas import KUBERNETES, schema_options

# Everything that has pods is on.
ALL: dict[str, Any] = merged(BACKUPS, {"mysql": {"metrics": {"enabled": True}}})
POD: dict[str, Any] = {
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "dandelion", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "priorityClassName": "high",
    "annotations": {"example.com/team": "vision"},
    "labels": {"team": "vision"},
    "env": [{"name": "COLOUR", "value": "green"}, {"name": "HOME", "value": "/elsewhere"}],
    "envFrom": [{"secretRef": {"name": "more"}}],
    "volumes": [{"name": "extra", "emptyDir": {}}],
    "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    "sidecars": [{"name": "tunnel", "image": "tunnel"}],
    "initContainers": [{"name": "first", "image": "first"}],
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["db.example.com"]}],
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["192.0.2.53"]},
    "runtimeClassName": "gvisor",
    "securityContext": {"supplementalGroups": [5555]},
    "containerSecurityContext": {"procMount": "Default"},
}
# As they are in a pod; what is in containers is looked up there.
PLAIN = (
    *("nodeSelector", "tolerations", "affinity", "priorityClassName", "hostAliases"),
    *("dnsPolicy", "dnsConfig", "runtimeClassName"),
)
PARTS = ("api", "ui", "mlflow", "mysql", "minio", "prefect.server", "prefect.worker", "prefect.flowRun")
# Every other way to a pod, and the names of its pods.
OTHERS = {
    "api.setup": "api-setup",
    "mysql.setup": "mysql-accounts",
    "minio.setup": "minio-setup",
    "prefect.setup": "flows",
    "backups": ("backup-data", "backup-files", "restore"),
    "tests": ("test-parts", "test-predict"),
}


def templates_of(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Name and template of every pod, with its labels and annotations; flow runs' is in a ConfigMap."""
    found = {}
    for each in manifests:
        for name, labels, spec in pods_of([each]):
            template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template", {})
            if each["kind"] == "CronJob":
                template = each["spec"]["jobTemplate"]["spec"]["template"]
            elif each["kind"] == "ConfigMap":
                template = flow_runs_of([each])[0]["spec"]["template"]
            annotations = template.get("metadata", {}).get("annotations", {})
            found[name] = {"labels": labels, "annotations": annotations, "spec": spec}
    return found


@pytest.fixture(scope="module")
def full(helm: Helm) -> list[Manifest]:
    """A release in which everything is set once for all."""
    surroundings = {
        "proxy": {"http": "http://proxy:3128", "https": "http://proxy:3128", "exceptions": ["s3.example.com"]},
        "caBundle": {"configMap": "authorities", "key": "bundle.pem"},
    }
    return helm.template(merged(ALL, {"global": {"pod": POD, **surroundings}}))


@pytest.fixture(scope="module")
def everywhere(full: list[Manifest]) -> dict[str, Manifest]:
    """All its pods."""
    return templates_of(full)


def test_kubernetes_and_prefect_s_worker_take_it(full: list[Manifest], tmp_path: Path) -> None:
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml.safe_dump_all([*full, *flow_runs_of(full)]))
    argv = [str(tools.find("kubeconform")), *schema_options(KUBERNETES[-1]), str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (template,) = (each for each in of_kind(full, "ConfigMap") if "job-template.json" in each["data"])
    check_job(json.loads(template["data"]["job-template.json"]))


def test_one_global_value_reaches_every_pod(everywhere: dict[str, Manifest]) -> None:
    assert len(everywhere) >= 17
    for name, pod in everywhere.items():
        spec = pod["spec"]
        for key in PLAIN:
            assert spec[key] == POD[key], (name, key)
        assert pod["labels"]["team"] == "vision", name
        assert pod["annotations"]["example.com/team"] == "vision", name
        (spread,) = spec["topologySpreadConstraints"]
        selected = spread["labelSelector"]["matchLabels"]
        assert selected["app.kubernetes.io/component"] == pod["labels"]["app.kubernetes.io/component"], name
        assert spec["securityContext"]["supplementalGroups"] == [5555], name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert {"name": "extra", "emptyDir": {}} in spec["volumes"], name


def test_every_container_has_what_is_added(everywhere: dict[str, Manifest]) -> None:
    for name, pod in everywhere.items():
        tunnel, first, *ours = containers_of(pod["spec"])
        # A sidecar of Kubernetes' own kind: it starts first, ends last, and lets a Job end.
        assert (tunnel["name"], tunnel["restartPolicy"], first["name"]) == ("tunnel", "Always", "first"), name
        assert tunnel["securityContext"]["allowPrivilegeEscalation"] is False
        for container in ours:
            env = [each["name"] for each in container["env"]]
            assert len(env) == len(set(env)), (name, container["name"])
            values = {each["name"]: each.get("value") for each in container["env"]}
            assert values["COLOUR"] == "green"
            assert values["HOME"] == "/elsewhere"
            assert {"secretRef": {"name": "more"}} in container["envFrom"], name
            assert {"name": "extra", "mountPath": "/extra"} in container["volumeMounts"], name
            assert container["securityContext"]["procMount"] == "Default", name
            assert container["securityContext"]["readOnlyRootFilesystem"], name


def test_every_container_knows_the_proxy_and_the_authorities(everywhere: dict[str, Manifest]) -> None:
    for name, pod in everywhere.items():
        (bundle,) = (each for each in pod["spec"]["volumes"] if each["name"] == "ca-bundle")
        assert bundle["configMap"] == {"name": "authorities", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
        for container in containers_of(pod["spec"])[2:]:
            values = {each["name"]: each.get("value") for each in container["env"]}
            for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                assert values[variable] == "/etc/dandelion/ca/ca.crt", name
            assert values["HTTPS_PROXY"] == values["HTTP_PROXY"] == "http://proxy:3128"
            direct = values["NO_PROXY"].split(",")
            assert {"localhost", "dandelion-minio", "dandelion-api-pods", ".svc", "s3.example.com"} <= set(direct)
            assert {"$(KUBERNETES_SERVICE_HOST)", "169.254.170.23", "fd00:ec2::23", "169.254.169.254"} <= set(direct)
            mounts = {each["mountPath"] for each in container["volumeMounts"]}
            assert "/etc/dandelion/ca" in mounts, name


def test_no_service_of_the_release_is_behind_the_proxy(helm: Helm) -> None:
    values = merged(ALL, nested("global.proxy.https", "http://proxy:3128"), nested("api.grpc.enabled", True))
    manifests = helm.template(values)
    (env,) = (
        container["env"]
        for _, labels, pod in pods_of(manifests)
        if labels["app.kubernetes.io/component"] == "api"
        for container in pod["containers"]
    )
    direct = next(each["value"] for each in env if each["name"] == "NO_PROXY").split(",")
    # Nobody calls a track's Service, or a worker that has none, by its name.
    services = {each["metadata"]["name"] for each in of_kind(manifests, "Service")}
    assert {name for name in services if not name.endswith(("-stable", "-canary"))} <= set(direct)


def test_a_part_s_value_reaches_its_own_pods_alone(helm: Helm) -> None:
    """Each part has a colour of its own, over the release's."""
    values: dict[str, Any] = nested("global.pod", {"nodeSelector": {"disk": "fast"}, "priorityClassName": "all"})
    for part in (*PARTS, *OTHERS):
        own = {"nodeSelector": {"part": part.replace(".", "-")}, "priorityClassName": f"of-{part.lower()}"}
        values = merged(values, nested(f"{part}.pod", own))
    pods = templates_of(helm.template(merged(ALL, values)))
    seen: dict[str, set[str]] = {}
    for name, pod in pods.items():
        selector = pod["spec"]["nodeSelector"]
        assert selector["disk"] == "fast", name
        assert pod["spec"]["priorityClassName"].removeprefix("of-") == selector["part"].replace("-", ".").lower()
        seen.setdefault(selector["part"].replace("-", "."), set()).add(name)
    assert seen.keys() == {*PARTS, *OTHERS}
    for part, names in OTHERS.items():
        expected = (names,) if isinstance(names, str) else names
        assert all(any(each in name for each in expected) for name in seen[part]), (part, seen[part])
        assert len(seen[part]) == len(expected), (part, seen[part])
    assert all(len(seen[part]) == 1 for part in PARTS), seen


def test_lists_are_added_and_texts_replaced(helm: Helm) -> None:
    values = {
        "global": {
            "pod": {"tolerations": [{"key": "all"}], "env": [{"name": "A", "value": "1"}], "dnsPolicy": "ClusterFirst"}
        },
        "mlflow": {
            "pod": {
                "tolerations": [{"key": "own"}],
                "env": [{"name": "A", "value": "2"}, {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "false"}],
                "dnsPolicy": "Default",
            }
        },
    }
    pod = templates_of(helm.template(values))["Deployment/dandelion-mlflow"]["spec"]
    assert pod["tolerations"] == [{"key": "all"}, {"key": "own"}]
    assert pod["dnsPolicy"] == "Default"
    env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert (env["A"], env["MLFLOW_DISABLE_TELEMETRY"]) == ("2", "false")


def test_a_proxy_s_account_is_in_a_secret_alone(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = {"http": "http://proxy:3128", "https": "https://proxy:3129", "existingSecret": "account"}
    for name, pod in templates_of(helm.template(merged(ALL, nested("global.proxy", proxy)))).items():
        for container in containers_of(pod["spec"]):
            names = [each["name"] for each in container["env"]]
            # Kubernetes fills in only what stands before.
            assert names.index("PROXY_PASSWORD") < names.index("HTTP_PROXY"), name
            env = {each["name"]: each for each in container["env"]}
            assert env["HTTPS_PROXY"]["value"] == "https://$(PROXY_USERNAME):$(PROXY_PASSWORD)@proxy:3129", name
            for key in ("username", "password"):
                found = env[f"PROXY_{key.upper()}"]["valueFrom"]["secretKeyRef"]
                assert found == {"name": "account", "key": key}, name
    # httpx refuses some lists of exceptions.
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", env["NO_PROXY"]["value"].replace("$(KUBERNETES_SERVICE_HOST)", "fd00::1"))
    httpx.Client().close()


def test_another_content_is_another_job(helm: Helm) -> None:
    """Kubernetes changes no Job's pods: a toleration that comes later must not break an upgrade."""
    before, after, again = (
        {each["metadata"]["name"] for each in of_kind(helm.template(merged(ALL, values)), "Job")}
        for values in ({}, nested("global.pod.tolerations", [{"key": "dedicated"}]), {})
    )
    # One restore has one name for ever.
    assert {name for name in before & after if "restore" not in name} == set()
    assert before == again


def test_on_openshift_the_namespace_decides_who_runs(helm: Helm) -> None:
    pods = templates_of(helm.template(merged(ALL, nested("global.openshift", True))))
    for name, pod in pods.items():
        context = pod["spec"]["securityContext"]
        assert context.keys().isdisjoint({"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"}), name
        assert context["runAsNonRoot"], name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers_of(pod["spec"]):
            assert container["securityContext"].keys().isdisjoint({"runAsUser", "runAsGroup"}), name
            # restricted-v2 allows these and nothing beyond.
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        kinds = {kind for volume in pod["spec"].get("volumes", []) for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}, name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"caBundle": {"configMap": "a", "secret": "b"}}, "name one of them"),
        ({"proxy": {"exceptions": ["example.com"]}}, "set global.proxy.https, too"),
        ({"proxy": {"existingSecret": "proxy"}}, "set global.proxy.https, too"),
        ({"proxy": {"https": "http://me:secret@proxy:3128"}}, "global.proxy.existingSecret"),
        ({"externalS3": {"workloadIdentity": True}}, "name your S3 server in global.externalS3.url"),
        (
            {"externalS3": {"url": "https://s3.example.com", "workloadIdentity": True, "existingSecret": "s3"}},
            "one of them",
        ),
        ({"pod": {"tolerations": [{"kee": "dedicated"}]}}, "kee"),
        ({"pod": {"tolerates": []}}, "tolerates"),
    ],
)
def test_values_that_contradict_each_other_are_refused(helm: Helm, values: dict[str, object], says: str) -> None:
    with pytest.raises(HelmError, match=says):
        helm.template({"global": values, "minio": {"enabled": "externalS3" not in values}})


def test_groups_of_values_may_be_null(helm: Helm) -> None:
    assert helm.template({"global": {"pod": None, "proxy": None, "caBundle": None}, "ui": {"pod": None}})


@pytest.mark.parametrize("label", ["app.kubernetes.io/component", "dandelion/track"])
def test_labels_that_select_pods_are_refused(helm: Helm, label: str) -> None:
    with pytest.raises(HelmError, match=f"pod.labels sets {label}"):
        helm.template({"global": {"pod": {"labels": {label: "x"}}}})


def test_without_keys_nobody_is_told_any(helm: Helm) -> None:
    """IRSA: the cloud's webhook adds a token to pods of an annotated ServiceAccount."""
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/dandelion"}
    identity = {"externalS3": {"url": "https://s3.example.com", "workloadIdentity": True, "existingSecret": ""}}
    parts = ("api", "mlflow", "prefect.flowRun", "backups")
    annotated = [nested(f"{part}.serviceAccount.annotations", role) for part in parts]
    mirror = {"mirror": {"url": "https://elsewhere.example.com", "existingSecret": "mirror"}}
    values = merged(EXTERNAL_S3, {"global": identity, "backups": {"enabled": True, **mirror}}, *annotated)
    manifests = helm.template(values)
    users = set()
    for name, pod in templates_of(manifests).items():
        for container in containers_of(pod["spec"]):
            env = {each["name"] for each in container.get("env", [])}
            assert env.isdisjoint({"DANDELION_OBJECTS__ACCESS_KEY", "AWS_ACCESS_KEY_ID"}), name
            if env & {"DANDELION_OBJECTS__WORKLOAD_IDENTITY", "MLFLOW_S3_ENDPOINT_URL"}:
                users.add(pod["spec"]["serviceAccountName"])
    accounts = {
        each["metadata"]["name"]: each["metadata"].get("annotations", {})
        for each in of_kind(manifests, "ServiceAccount")
    }
    assert users == {f"dandelion-{part}" for part in ("api", "mlflow", "flow-run", "backup")}
    assert all(accounts[name] == role for name in users)


def test_policies_let_through_to_the_proxy_and_to_the_cloud_s_agent(helm: Helm) -> None:
    identity = {"externalS3": {"url": "https://s3.example.com", "workloadIdentity": True, "existingSecret": ""}}
    proxy = {"proxy": {"https": "http://proxy.example.com:3128"}}
    manifests = helm.template(
        merged(EXTERNAL_S3, {"global": {**identity, **proxy}}, nested("mysql.binlogs.every", "1h"))
    )
    to_proxy, to_agent = set(), set()
    for policy in of_kind(manifests, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            networks = {peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer}
            ports = {each["port"] for each in rule["ports"]}
            if 3128 in ports and "0.0.0.0/0" in networks:
                to_proxy.add(policy["metadata"]["name"].removeprefix("dandelion-"))
            if "169.254.170.23/32" in networks and ports == {80}:
                to_agent.add(policy["metadata"]["name"].removeprefix("dandelion-"))
    assert to_proxy == to_agent == {"api", "api-setup", "mlflow", "flow-run", "mysql", "backup", "test"}


def test_examples_of_the_page_are_values_that_render(helm: Helm) -> None:
    page = (ROOT / "docs" / "knobs.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(examples) == 9
    rendered = [helm.template(each) for each in examples]
    (notes,) = (each for each in of_kind(rendered[6], "ConfigMap") if each["metadata"]["name"] == "dandelion-notes")
    assert notes["data"] == {"api": "http://dandelion-api:8000"}
    (rules,) = (each for each in of_kind(rendered[6], "PrometheusRule") if each["metadata"]["name"] == "restarts")
    assert "{{ $labels.pod }} restarts" in yaml.safe_dump(rules)


def test_every_key_of_the_page_s_table_is_a_value() -> None:
    page = (ROOT / "docs" / "knobs.md").read_text()
    values = yaml.safe_load((ROOT / "values.yaml").read_text())
    for part in ("api", "ui", "mlflow", "mysql", "minio", "prefect"):
        values[part] |= yaml.safe_load((ROOT / "charts" / part / "values.yaml").read_text())
    named = re.findall(r"`((?:api|ui|mlflow|mysql|minio|prefect|backups|tests|global)\.[a-zA-Z.{},]+)`", page)
    assert len(named) > 25
    for name in named:
        stem, _, choices = name.partition("{")
        for key in choices.rstrip("}").split(",") if choices else [""]:
            found: Any = values
            for step in f"{stem}{key}".split("."):
                found = found[step]
