"""What Argo CD and Flux do with the chart: render it without a cluster, again and again, and apply what has changed."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart import ROOT, Helm, HelmError, Manifest, merged, nested, of_kind
from tests.cluster.clients import Kubectl
from tests.waiting import wait_until

GRAFANA = {"grafana": {"admin": {"existingSecret": "grafana"}}}
NAMED = {
    "global": {"gitops": True, "existingSecrets": {"mysql": "our-mysql", "minio": "our-minio", "api": "our-api"}},
    "kube-prometheus-stack": GRAFANA,
}
GATEWAY = {"enabled": True, "parentRefs": [{"name": "public"}], "apiHost": "api.example.com"}
BASE = merged(NAMED, {"gateway": GATEWAY, "backups": {"enabled": True}})
MANAGER = "argocd-controller"
_CREATED = re.compile(r"create secret generic (\S+) (?:.*\\\n)*.*\n")

# Kinds of changes, each over those before it.
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("image tag", nested("global.image.tag", "9.9.9")),
    ("model reference", nested("api.model.ref", "challenger")),
    ("log level", nested("global.logLevel", "debug")),
    ("resources", nested("api.resources.requests", {"cpu": "300m", "memory": "400Mi"})),
    ("settings", nested("api.settings", {"DANDELION_JOURNAL__PHOTOS": "all"})),
    ("a setting that the chart sets, too", nested("api.settings", {"DANDELION_API__DRAIN_SECONDS": "7"})),
    ("bounds of the autoscaler", nested("api.autoscaling", {"minReplicas": 3, "maxReplicas": 6})),
    ("a canary", nested("api.release", {"strategy": "canary", "canary": {"replicas": 1, "weight": 0}})),
    ("weight", nested("api.release.canary.weight", 20)),
    ("replicas and tag of a canary", nested("api.release.canary", {"replicas": 2, "tag": "10.0.0"})),
    ("from canary to slots", nested("api.release", {"strategy": "blue-green", "canary": {"weight": 0}})),
    ("slot in service", nested("api.release.blueGreen.activeSlot", "blue")),
    ("slot flip", nested("api.release.blueGreen.activeSlot", "green")),
    ("slot flip back", nested("api.release.blueGreen.activeSlot", "blue")),
    ("settings of flow runs", nested("prefect.flowRun.settings", {"DANDELION_RETRAINING__EPOCHS": "2"})),
    ("schedules", {"backups": {"databaseSchedule": "5 5 * * *"}, "global": {"timeZone": "Europe/Paris"}}),
    ("TLS Secrets", {"gateway": {"tlsSecret": "tls"}, "global": {"mysqlTls": {"secret": "mysql-tls"}}}),
    (
        "storage that may grow",
        {"api": {"spool": {"size": "6Gi"}}, "prefect": {"server": {"persistence": {"size": "2Gi"}}}},
    ),
    ("policies", nested("networkPolicy.externalCidrs", ["10.0.0.0/8"])),
    ("labels of monitoring", nested("global.monitoring.labels", {"release": "ours"})),
    ("Secrets renamed", nested("global.existingSecrets", {"mysql": "m", "minio": "s", "api": "a"})),
    ("Secrets rotated", nested("global.secretsRevision", "2026-11-29")),
    ("knobs of pods", nested("global.pod", {"annotations": {"a": "b"}, "labels": {"team": "plants"}})),
    ("a restore", nested("backups.restore", {"id": "a", "dump": "mysql/x.sql.gz"})),
    ("no restore", nested("backups.restore.id", "")),
    ("a part switched off", nested("ui.enabled", False)),
)


def render(helm: Helm, values: Mapping[str, Any]) -> list[Manifest]:
    """What a tool applies: everything but the pods of `helm test`."""
    found = helm.template(values)
    return [each for each in found if "helm.sh/hook" not in each["metadata"].get("annotations", {})]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and values of consecutive states, from the first."""
    values = BASE
    yield "the first", values
    for name, change in CHANGES:
        values = merged(values, _stable_first(name, change))
        yield name, values


def _stable_first(name: str, change: dict[str, Any]) -> dict[str, Any]:
    """docs/releases.md: slots start beside the stable track."""
    slot = nested("api.release.blueGreen.activeSlot", "stable")
    return merged(change, slot) if name == "from canary to slots" else change


def key(each: Manifest) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def jobs(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Jobs by the name without its hash."""
    return {each["metadata"]["name"].rpartition("-")[0]: each for each in of_kind(manifests, "Job")}


def test_two_renders_are_equal_byte_for_byte_with_secrets_named(either_helm: Helm, tmp_path: Path) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(BASE))
    words = ["template", "dandelion", str(either_helm.chart), "--kube-version", "1.34.0", "--values", str(given)]
    first = either_helm.run(*words)
    assert first == either_helm.run(*words)
    assert "kind: Secret\n" not in first


def test_a_password_of_grafana_in_the_values_is_no_named_secret(helm: Helm) -> None:
    stack = {"grafana": {"admin": {"existingSecret": ""}, "adminPassword": "in clear"}}
    with pytest.raises(HelmError, match=r"kube-prometheus-stack\.grafana\.admin\.existingSecret"):
        helm.template(merged(NAMED, {"kube-prometheus-stack": stack}))


@pytest.mark.parametrize(
    ("without", "value"),
    [
        *(
            (("global", "existingSecrets", part), f"global.existingSecrets.{part}")
            for part in ("mysql", "minio", "api")
        ),
        (("kube-prometheus-stack", "grafana"), "kube-prometheus-stack.grafana.admin.existingSecret"),
    ],
)
def test_each_secret_that_would_be_generated_must_be_named(helm: Helm, without: tuple[str, ...], value: str) -> None:
    values = json.loads(json.dumps(NAMED))
    *path, last = without
    place = values
    for step in path:
        place = place[step]
    del place[last]
    with pytest.raises(HelmError, match=re.escape(value)):
        helm.template(values)


def test_the_documented_application_and_helm_release_render(helm: Helm) -> None:
    """Both name every Secret, and give the same manifests."""
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    section = page.split("## Argo CD and Flux\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", section)
    documents = [each for text in blocks if "apiVersion:" in text for each in yaml.safe_load_all(textwrap.dedent(text))]
    by_kind = {each["kind"]: each["spec"] for each in documents}
    argo, flux = by_kind["Application"], by_kind["HelmRelease"]
    assert "ServerSideApply=true" in argo["syncPolicy"]["syncOptions"]
    values = argo["source"]["helm"]["valuesObject"]
    assert values == flux["values"]
    assert values["global"]["gitops"]
    made = [key(each) for each in render(helm, values)]
    assert made
    assert not [each for each in made if each[0] == "Secret"]
    commands = {
        found[1]: set(re.findall(r"--from-literal=([a-z-]+)=", found[0])) for found in _CREATED.finditer(section)
    }
    generated = {each["metadata"]["name"]: each["data"].keys() for each in of_kind(helm.template(), "Secret")}
    for part, name in values["global"]["existingSecrets"].items():
        assert commands[name] == generated[f"dandelion-{part}"], part


def test_what_is_not_installed_needs_no_secret(helm: Helm) -> None:
    external = {
        "externalDatabase": {"host": "db", "existingSecret": "db"},
        "externalS3": {"url": "https://s3", "existingSecret": "s3"},
    }
    off = {part: {"enabled": False} for part in ("mysql", "minio", "kube-prometheus-stack")}
    helm.template({**off, "global": {"gitops": True, "existingSecrets": {"api": "a"}, **external}})


def test_nothing_depends_on_the_revision_and_only_one_helper_looks_up() -> None:
    for file in [*ROOT.glob("templates/**/*.*"), *ROOT.glob("charts/*/templates/**/*.*")]:
        text = file.read_text(encoding="utf-8")
        assert file.name == "NOTES.txt" or "Release.Revision" not in text, file
        assert file.name == "_secrets.tpl" or not re.search(r"(?<!dandelion\.)\blookup [\"$.(]", text), file


def test_jobs_run_again_when_their_content_changed_and_only_then(helm: Helm) -> None:
    """A Job's name tells its content; each kind of change reruns those Jobs that it concerns."""
    flows, objects, accounts, tables = (
        "dandelion-flows",
        "dandelion-minio-setup",
        "dandelion-mysql-accounts",
        "dandelion-api-setup",
    )
    concerned = {
        "image tag": {flows, objects, tables},
        "replicas and tag of a canary": {tables},
        "from canary to slots": {tables},  # the canary's image is gone
        "settings of flow runs": {flows},
        "log level": {flows, objects, tables},
        "TLS Secrets": {flows, tables},
        "schedules": {flows},
        "storage that may grow": set(),
        "labels of monitoring": set(),
        "policies": set(),
        "weight": set(),
        "slot flip": set(),
        "Secrets renamed": {objects, accounts, tables, flows},
        "Secrets rotated": {objects, accounts, tables, flows},
    }
    before: dict[str, Manifest] = {}
    seen: dict[str, Any] = {}
    for name, values in steps():
        now = jobs(render(helm, values))
        for job in now.values():
            assert seen.setdefault(job["metadata"]["name"], job["spec"]) == job["spec"], name
        changed = {each for each in now if before and each in before and now[each] != before[each]}
        if name in concerned:
            assert changed == concerned[name], name
        before = now


def test_consecutive_renders_are_applied_without_conflict_or_immutable_field(helm: Helm, namespace: Kubectl) -> None:
    """Server-side, as Argo CD and Flux apply, beside controllers that own fields of theirs; then pruned."""
    there: dict[tuple[str, str], Manifest] = {}
    for name, values in steps():
        wanted = {key(each): each for each in render(helm, values)}
        changed = [each for at, each in wanted.items() if there.get(at) != each]
        print(f"\n{name}: {len(changed)} of {len(wanted)} are applied, {len(there.keys() - wanted.keys())} pruned")
        assert changed or there.keys() - wanted.keys(), name
        if changed:
            _apply(namespace, name, changed)
        for kind, gone in there.keys() - wanted.keys():
            kept = there[kind, gone]["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options")
            if kept != "Prune=false":
                namespace("delete", kind, gone, "--wait=false")
        there = wanted
        if name in {"the first", "bounds of the autoscaler", "slot flip"}:
            _let_controllers_work(namespace)
    (job,) = (each for each in namespace.get("jobs")["items"] if "-restore-" in each["metadata"]["name"])
    assert job["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def _apply(namespace: Kubectl, name: str, manifests: list[Manifest]) -> None:
    words = ["apply", "--server-side", f"--field-manager={MANAGER}", "-f", "-"]
    try:
        namespace(*words, given=yaml.safe_dump_all(manifests))
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{name}: {error.stderr} {getattr(error, '__notes__', '')}", pytrace=False)


def _let_controllers_work(namespace: Kubectl) -> None:
    """Autoscalers write the numbers of pods, and claims are bound, before the next step."""

    def scaled() -> bool:
        least = {
            each["spec"]["scaleTargetRef"]["name"]: each["spec"]["minReplicas"]
            for each in namespace.get("hpa")["items"]
        }
        pods = {each["metadata"]["name"]: each["spec"]["replicas"] for each in namespace.get("deployments")["items"]}
        return bool(least) and all(pods[target] >= count for target, count in least.items())

    def bound() -> bool:
        claims = namespace.get("pvc")["items"]
        return len(claims) >= 3 and all(each["status"].get("phase") == "Bound" for each in claims)

    wait_until(scaled, "autoscalers have set the numbers of pods", seconds=120, every=0.5)
    wait_until(bound, "claims are bound", seconds=120, every=0.5)
