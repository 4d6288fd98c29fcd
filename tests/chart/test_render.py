"""Every way of installing renders, on both versions of Helm, to the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.chart import ROOT, Helm, HelmError, Manifest, merged, nested
from tests.chart.generate import generated, lock
from tests.chart.matrix import EXTERNAL_DATABASE, GATEWAY, GRPC, MATRIX, Case

# Made at random, or different from one rendering to the next.
_RANDOM = {"Secret"}


def _comparable(manifests: list[Manifest]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in manifests if each["kind"] not in _RANDOM)


def test_both_versions_of_helm_render_the_same(chart: Path, rendered: Callable[[Case], list[Manifest]]) -> None:
    count = 0
    for case in MATRIX:
        four = rendered(case)
        three = Helm("helm3", chart).template(case.values, files=case.files, release=case.release)
        assert _comparable(four) == _comparable(three), case.name
        count += len(four)
    print(f"\n{len(MATRIX)} ways of installing, {count} manifests, by Helm 4 and Helm 3")


@pytest.mark.parametrize("file", [None, "laptop", "production", "canary", "blue-green"])
def test_lint_finds_nothing(either_helm: Helm, file: str | None) -> None:
    words = ["--values", str(ROOT / "values" / f"{file}.yaml")] if file else []
    assert "0 chart(s) failed" in either_helm.run("lint", "--strict", str(either_helm.chart), *words)


def test_what_is_generated_is_up_to_date() -> None:
    for path, text in generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python -m tests.chart.generate"


def test_the_lock_has_the_digest_that_helm_computes(helm: Helm) -> None:
    """Helm compares the digest before it fetches, and so complains of the lock rather than of the network."""
    assert "sha256:" in lock()
    with pytest.raises(HelmError) as refused:
        helm.run("dependency", "build", str(helm.chart))
    assert "out of sync" not in str(refused.value)
    path = helm.chart / "Chart.lock"
    held = path.read_text()
    path.write_text(held.replace("sha256:", "sha256:0", 1))
    try:
        with pytest.raises(HelmError, match="out of sync"):
            helm.run("dependency", "build", str(helm.chart))
    finally:
        path.write_text(held)


def test_the_packaged_chart_is_small(helm: Helm, tmp_path: Path) -> None:
    helm.run("package", str(helm.chart), "--destination", str(tmp_path))
    (archive,) = tmp_path.glob("dandelion-*.tgz")
    print(f"\npackaged: {archive.stat().st_size / 1024:.0f} KiB")
    assert archive.stat().st_size < 400 * 1024


def test_nothing_but_the_chart_is_packaged() -> None:
    """Whatever lies in the root is either the chart or ignored: else it would travel in every release."""
    ignored = {line.strip("/") for line in (ROOT / ".helmignore").read_text().splitlines() if line.startswith("/")}
    chart = {
        "Chart.yaml",
        "Chart.lock",
        "values.yaml",
        "values.schema.json",
        "templates",
        "charts",
        "dashboards",
        "alerts",
        "LICENSE",
        "README.md",
    }
    loose = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and path.name not in ignored | chart and not path.name.endswith(".egg-info")
    }
    assert loose == set(), f"add them to .helmignore: {loose}"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (nested("api.release.canary.weight", 150), "maximum"),
        (nested("api.autoscaling.minReplicas", "many"), "want integer"),
        (nested("api.relase", {}), "relase"),
        (nested("quotas", {}), "quotas"),
        (nested("api.model.ref", "Best/one"), "does not match pattern"),
        (nested("api.release.strategy", "blue-green"), "activeSlot to blue or green"),
        ({"api": {"release": {"strategy": "canary", "blueGreen": {"activeSlot": "blue"}}}}, "exclude each other"),
        (
            {
                "api": {
                    "release": {"strategy": "blue-green", "blueGreen": {"activeSlot": "blue"}, "canary": {"weight": 5}}
                }
            },
            "exclude",
        ),
        ({"api": {"release": {"strategy": "canary", "canary": {"weight": 5, "replicas": 0}}}}, "replicas to 1"),
        ({"api": {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}}, "maxReplicas to 5"),
        (nested("global.access.jwksUrl", "https://idp.example.com/keys"), "global.access.jwtAudience"),
        ({"api": {"settings": {"DANDELION_API__MONITORING_PORT": "9100"}}}, "DANDELION_API__MONITORING_PORT is set"),
        (nested("api.grpc", {"enabled": True, "port": 8000}), "api.grpc.port is 8000"),
        (nested("api.grpc.port", 80), "minimum"),
        (nested("api.grpc.tls.secret", "tls"), "api.grpc.enabled=true"),
        (nested("api.grpc", {"enabled": True, "tls": {"clientCaKey": "ca.crt"}}), "api.grpc.tls.secret"),
        ({"api": {"settings": {"DANDELION_GRPC__PORT": "9000"}}}, "set api.grpc.port instead"),
        (merged(GATEWAY, nested("gateway.grpcHost", "grpc.example.com")), "api.grpc.enabled=true"),
        (merged(GATEWAY, GRPC, nested("gateway.grpcHost", "api.example.com")), "host of its own"),
        (merged(GATEWAY, GRPC, nested("api.grpc.tls.secret", "tls")), "leave api.grpc.tls.secret empty"),
        (nested("mysql.enabled", False), "global.externalDatabase.host"),
        (nested("minio.enabled", False), "global.externalS3.url"),
        (nested("mlflow.enabled", False), "global.externalMlflow.url"),
        (nested("prefect.server.enabled", False), "global.externalPrefect.url"),
        (nested("global.externalDatabase.host", "db"), "mysql.enabled=false"),
        ({**EXTERNAL_DATABASE, **nested("global.externalDatabase.host", "db")}, "existingSecret"),
        ({"quota": {"enabled": True, "pods": 3}}, "quota.pods is 3 and"),
        ({"quota": {"enabled": True, "memory": "1Gi"}}, "quota.memory is 1Gi and"),
        (nested("gateway.enabled", True), "gateway.parentRefs"),
        ({"gateway": {**GATEWAY["gateway"], "className": ""}}, "gateway.className"),
        (nested("ingress.enabled", True), "ingress.apiHost"),
        ({"ingress": {"enabled": True, "apiHost": "a"}, "api": {"release": {"strategy": "canary"}}}, "gateway.enabled"),
        (nested("api.spool.size", "10Mi"), "256Mi"),
        (nested("api.spool.size", "plenty"), "quantity"),
        (nested("api.drain.graceSeconds", 10), "graceSeconds"),
        (nested("api.pdb.maxUnavailable", 0), "minimum"),
        (nested("api.pdb.maxUnavailable", "0%"), "does not match pattern"),
        (nested("global.ipFamilies", ["IPv4", "IPv4"]), "are equal"),
        ({"backups": {"enabled": True}, **EXTERNAL_DATABASE}, "nothing to do"),
        ({"backups": {"enabled": True, "mirror": {"url": "http://x"}}}, "mirror.existingSecret"),
        (nested("mysql.binlogs.every", "often"), "does not match pattern"),
        (nested("global.timeZone", "Europe/Pari"), "global.timeZone is Europe/Pari, which is no time zone"),
        (nested("global.timeZone", "../zone"), "does not match pattern"),
    ],
)
def test_values_that_cannot_be_meant_say_what_to_set(either_helm: Helm, values: dict[str, object], says: str) -> None:
    with pytest.raises(HelmError, match=says):
        either_helm.template(values)


def test_production_refuses_to_publish_the_api_without_access_control(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"access.enabled is false while .*gateway.apiHost=api.example.com"):
        helm.template(nested("global.access.enabled", False), files=("production",))


@pytest.mark.parametrize("machine", ["UTC", "Europe/Paris"])
def test_the_time_zone_of_helm_s_machine_is_no_time_zone(
    either_helm: Helm, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setenv("TZ", machine)
    with pytest.raises(HelmError, match=r"global\.timeZone is Local, which is no time zone"):
        either_helm.template(nested("global.timeZone", "Local"))


@pytest.mark.parametrize("kubernetes", ["1.33.0", "1.36.0"])
def test_supported_versions_of_kubernetes_render(helm: Helm, kubernetes: str) -> None:
    assert helm.template(kubernetes=kubernetes)


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"1\.32"):
        helm.template(kubernetes="1.32.9")


def test_every_values_file_is_in_the_matrix() -> None:
    tried = {name for case in MATRIX for name in case.files}
    assert tried == {path.stem for path in (ROOT / "values").glob("*.yaml")}
