"""Default deny, and one allow for every edge that is there: worked out from Services and the pods' environment."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.chart import Helm, Manifest, containers_of, merged, nested, of_kind, pods_of
from tests.chart.matrix import GRPC, MATRIX, MONITORED_ELSEWHERE, Case
from tests.chart.policies import Network, Peer

# Where tests render a release to, and with it the Prometheus that it brings.
OURS = "demo"
ELSEWHERE = ["monitoring", "more-monitoring"]
# Their pods may bear any label.
STRANGERS = [
    Peer(labels, {"kubernetes.io/metadata.name": "elsewhere"})
    for labels in ({"app": "stranger"}, *({"app.kubernetes.io/name": name} for name in ("prometheus", "alertmanager")))
]


def observer(name: str, namespace: str) -> Peer:
    """A pod of Prometheus or Alertmanager."""
    return Peer({"app.kubernetes.io/name": name}, {"kubernetes.io/metadata.name": namespace})


def watching_namespaces(case: Case) -> list[str]:
    """Whose Prometheus a case lets in."""
    if case.name in {"without kube-prometheus-stack", "values/laptop"}:
        return []
    return ELSEWHERE if case.name == "Prometheus elsewhere" else [OURS]


@pytest.fixture(params=[case for case in MATRIX if case.name != "without networkPolicy"], ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Every way of installing the chart with policies."""
    found: Case = request.param
    return found


def words_of(pod: dict[str, Any]) -> list[str]:
    """Everything in a pod's environment and arguments that may be an address."""
    found = []
    for container in containers_of(pod):
        found += [entry["value"] for entry in container.get("env", []) if "value" in entry]
        for arguments in (container.get("args"), container.get("command")):
            if isinstance(arguments, list):  # of a flow run, the worker fills them in
                found += [word.split("=", 1)[-1] if "=http" in word else word for word in arguments]
    return found


def needed_edges(manifests: list[Manifest]) -> set[tuple[str, str, int]]:
    """Pod, Service and port of every address in an environment that is one of the release's Services."""
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "Service")}
    edges = set()
    for name, _, pod in pods_of(manifests):
        for word in words_of(pod):
            for service, spec in services.items():
                if re.search(rf"(^|[/@]){service}($|[:/])", word):
                    port = re.search(rf"{service}:(\d+)", word)
                    edges.add((name, service, int(port[1]) if port else spec["ports"][0]["port"]))
    return edges


def test_every_edge_of_an_environment_is_allowed(
    manifests: list[Manifest], case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(manifests)
    pods = {name: labels for name, labels, _ in pods_of(manifests)}
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "Service")}
    edges = needed_edges(manifests)
    for name, service, port in edges:
        (number,) = (each["targetPort"] for each in services[service]["ports"] if each["port"] == port)
        targets = [labels for labels in pods.values() if services[service]["selector"].items() <= labels.items()]
        assert targets, service
        for target in targets:
            if target != pods[name]:
                assert network.allows(pods[name], target, _number(manifests, target, number)), (
                    case.name,
                    name,
                    service,
                )
    with capsys.disabled():
        print(f" {len(edges)} edges", end="")


def test_every_rule_leads_to_a_port_that_somebody_listens_on(manifests: list[Manifest]) -> None:
    pods = pods_of(manifests)
    for policy in of_kind(manifests, "NetworkPolicy"):
        own = policy["spec"]["podSelector"]["matchLabels"]
        for rule in policy["spec"].get("ingress", []):
            (port,) = (each["port"] for each in rule["ports"])
            offered = {number for _, labels, pod in pods if own.items() <= labels.items() for number in _ports(pod)}
            assert port in offered, policy["metadata"]["name"]
        for rule in policy["spec"].get("egress", []):
            for peer in rule["to"]:
                wanted = peer.get("podSelector", {}).get("matchLabels", {})
                if "dandelion/release" in wanted:
                    (port,) = (each["port"] for each in rule["ports"])
                    offered = {n for _, labels, pod in pods if wanted.items() <= labels.items() for n in _ports(pod)}
                    assert port in offered, policy["metadata"]["name"]


def routed_ports(manifests: list[Manifest]) -> set[tuple[str, int]]:
    """Component and port of everything that an Ingress or a route leads to."""
    targets = {
        (backend["name"], backend["port"])
        for route in of_kind(manifests, "HTTPRoute", "GRPCRoute")
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
    } | {
        (path["backend"]["service"]["name"], path["backend"]["service"]["port"]["number"])
        for ingress in of_kind(manifests, "Ingress")
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    return {
        (service["metadata"]["labels"]["app.kubernetes.io/component"], port)
        for service in of_kind(manifests, "Service")
        for name, port in targets
        if service["metadata"]["name"] == name
    }


def test_strangers_reach_what_a_route_leads_to_and_nothing_else(manifests: list[Manifest], case: Case) -> None:
    network = Network(manifests)
    routed = routed_ports(manifests)
    assert bool(routed) == bool(of_kind(manifests, "Ingress", "HTTPRoute", "GRPCRoute"))
    if case.name == "values/production":  # it names who may come: the test below
        routed = set()
    for name, labels, pod in pods_of(manifests):
        for port in _ports(pod):
            may = (labels["app.kubernetes.io/component"], port) in routed
            for stranger in STRANGERS:
                said = f"{case.name}: {name} {port} {stranger.labels}"
                assert network.lets_in(labels, stranger, port) == may, said


def test_in_production_the_gateway_alone_reaches_what_its_routes_lead_to(helm: Helm) -> None:
    manifests = helm.template(GRPC, files=("production",))
    network = Network(manifests)
    routed = routed_ports(manifests)
    assert routed == {("api", 8000), ("api", 8001), ("ui", 7860)}
    gateway = Peer({}, {"kubernetes.io/metadata.name": "gateways"})
    for _, labels, pod in pods_of(manifests):
        for port in _ports(pod):
            assert network.lets_in(labels, gateway, port) == ((labels["app.kubernetes.io/component"], port) in routed)


@pytest.mark.parametrize(
    ("values", "opened"),
    [
        ({}, set()),
        (nested("gateway.apiHost", "a.example.com"), {8000}),
        (nested("gateway.grpcHost", "g.example.com"), {8001}),
        (nested("gateway.uiHost", "u.example.com"), set()),
        (nested("ingress", {"enabled": True, "apiHost": "a.example.com"}), {8000}),
        (nested("api.service.type", "LoadBalancer"), {8000, 8001}),
    ],
    ids=["nothing", "a route for HTTP", "a route for gRPC", "a route for the page", "an Ingress", "a load balancer"],
)
def test_each_way_in_opens_its_own_port(helm: Helm, values: dict[str, object], opened: set[int]) -> None:
    gateway = nested("gateway", {"enabled": "gateway" in values, "parentRefs": [{"name": "g"}]})
    manifests = helm.template(merged(nested("api.grpc.enabled", True), gateway, values))
    network = Network(manifests)
    (api,) = (labels for _, labels, _ in pods_of(manifests) if labels["app.kubernetes.io/component"] == "api")
    for port in (8000, 8001):
        for stranger in STRANGERS:
            assert network.lets_in(api, stranger, port) == (port in opened), port


def test_no_flow_run_takes_a_stranger_for_prometheus(manifests: list[Manifest], case: Case) -> None:
    network = Network(manifests)
    for name, labels, _ in pods_of(manifests):
        for stranger in STRANGERS:
            assert not network.lets_out(labels, 9090, stranger), f"{case.name}: {name}"


def test_policies_can_be_left_to_others(rendered: Callable[[Case], list[Manifest]]) -> None:
    manifests = rendered(next(each for each in MATRIX if each.name == "without networkPolicy"))
    assert of_kind(manifests, "NetworkPolicy") == []


def test_what_is_not_needed_is_denied(rendered: Callable[[Case], list[Manifest]]) -> None:
    manifests = rendered(MATRIX[0])
    network = Network(manifests)
    of = {labels["app.kubernetes.io/component"]: labels for _, labels, _ in pods_of(manifests)}
    assert not network.allows(of["ui"], of["mysql"], 3306)
    assert not network.allows(of["ui"], of["minio"], 9000)
    assert not network.allows(of["mlflow"], of["api"], 8000)
    assert not network.allows(of["api"], of["minio"], 9001)
    assert not network.allows(of["prefect-worker"], of["mysql"], 3306)
    for component in ("api", "ui", "mlflow", "mysql", "minio", "prefect-server"):
        assert not network.lets_out(of[component], 443), component
    assert network.lets_out(of["prefect-worker"], 6443)


def scraped_ports(manifests: list[Manifest]) -> list[tuple[dict[str, str], int]]:
    """Labels and port of every pod that a ServiceMonitor is about."""
    found = []
    services = of_kind(manifests, "Service")
    for monitor in of_kind(manifests, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (each for each in services if wanted <= each["metadata"]["labels"].items())
        names = {each["port"] for each in monitor["spec"]["endpoints"]}
        targets = {port["targetPort"] for port in service["spec"]["ports"] if port["name"] in names}
        for _, labels, _ in pods_of(manifests):
            if service["spec"]["selector"].items() <= labels.items():
                found += [(labels, _number(manifests, labels, target)) for target in targets]
    return found


def test_monitoring_may_ask_what_it_scrapes_and_alert(manifests: list[Manifest], case: Case) -> None:
    network = Network(manifests)
    scraped = scraped_ports(manifests)
    assert scraped or case.name in {"without global.monitoring", "values/laptop"}
    for namespace in watching_namespaces(case):
        prometheus, alertmanager = observer("prometheus", namespace), observer("alertmanager", namespace)
        for labels, port in scraped:
            component = labels["app.kubernetes.io/component"]
            assert network.lets_in(labels, prometheus, port), (component, namespace)
            # It tells the API what fires, and has no business elsewhere.
            assert network.lets_in(labels, alertmanager, port) == (component == "api"), (component, namespace)


def test_prometheus_reaches_nothing_but_the_ports_of_figures(manifests: list[Manifest], case: Case) -> None:
    network = Network(manifests)
    routed = routed_ports(manifests)
    scraped = [(labels["app.kubernetes.io/component"], port) for labels, port in scraped_ports(manifests)]
    for _, labels, pod in pods_of(manifests):
        component = labels["app.kubernetes.io/component"]
        for port in _ports(pod):
            if (component, port) not in scraped and (component, port) not in routed:
                for namespace in (OURS, "monitoring"):
                    assert not network.lets_in(labels, observer("prometheus", namespace), port), (component, port)


def test_nobody_scrapes_without_a_stack_or_a_namespace(rendered: Callable[[Case], list[Manifest]]) -> None:
    manifests = rendered(next(each for each in MATRIX if each.name == "without kube-prometheus-stack"))
    network = Network(manifests)
    for labels, port in scraped_ports(manifests):
        for name in ("prometheus", "alertmanager"):
            for namespace in (OURS, "monitoring"):
                assert not network.lets_in(labels, observer(name, namespace), port), (labels, namespace)


@pytest.mark.parametrize(
    ("values", "namespaces"),
    [
        ({}, {OURS}),
        (nested("kube-prometheus-stack.namespaceOverride", "stack"), {"stack"}),
        (MONITORED_ELSEWHERE, {*ELSEWHERE}),
        (merged(MONITORED_ELSEWHERE, nested("kube-prometheus-stack.enabled", True)), {OURS, *ELSEWHERE}),
    ],
    ids=["the release's own", "the stack's own", "those named", "the release's own and those named"],
)
def test_prometheus_is_believed_in_its_own_namespaces_alone(
    helm: Helm, values: dict[str, object], namespaces: set[str]
) -> None:
    manifests = helm.template(values)
    network = Network(manifests)
    (run,) = (labels for name, labels, _ in pods_of(manifests) if name.startswith("flow run"))
    for namespace in (OURS, "stack", *ELSEWHERE):
        watches = namespace in namespaces
        prometheus = observer("prometheus", namespace)
        for labels, port in scraped_ports(manifests):
            assert network.lets_in(labels, prometheus, port) == watches, (labels, namespace)
        # Whose figures may decide on a retraining.
        assert network.lets_out(run, 9090, prometheus) == watches, namespace


def test_names_can_be_looked_up_by_all(manifests: list[Manifest]) -> None:
    for policy in of_kind(manifests, "NetworkPolicy"):
        if policy["metadata"]["name"].endswith("-deny"):
            ports = {(each["protocol"], each["port"]) for each in policy["spec"]["egress"][0]["ports"]}
            assert ports == {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)}
            own = policy["spec"]["podSelector"]["matchLabels"].items()
            assert all(own <= labels.items() for _, labels, _ in pods_of(manifests))


def test_grpc_is_for_whoever_may_reach_http_from_outside(helm: Helm) -> None:
    named = {"podSelector": {"matchLabels": {"ours": "yes"}}}
    manifests = helm.template(merged(nested("api.grpc.enabled", True), nested("networkPolicy.ingressFrom", [named])))
    network = Network(manifests)
    of = {labels["app.kubernetes.io/component"]: labels for _, labels, _ in pods_of(manifests)}
    for port in (8000, 8001):
        assert network.lets_in(of["api"], Peer({"ours": "yes"}, {}), port)
        assert not network.lets_in(of["api"], Peer({"ours": "no"}, {}), port)
    # Programs of the release itself speak HTTP alone.
    for component in ("ui", "flow-run", "test"):
        assert network.allows(of[component], of["api"], 8000)
        assert not network.allows(of[component], of["api"], 8001)


def test_external_parts_can_be_reached(rendered: Callable[[Case], list[Manifest]]) -> None:
    manifests = rendered(next(each for each in MATRIX if each.name == "everything external"))
    network = Network(manifests)
    of = {labels["app.kubernetes.io/component"]: labels for _, labels, _ in pods_of(manifests)}
    for component in ("api", "flow-run", "api-setup", "test"):
        for port in (3306, 443, 5000):
            assert network.lets_out(of[component], port), (component, port)
    assert not network.lets_out(of["ui"], 443)


def test_an_address_elsewhere_is_no_edge() -> None:
    """The edges are worked out by name: one that only looks alike must not count."""
    service = {"ports": [{"port": 3306, "targetPort": "mysql"}], "selector": {"a": "b"}}
    env = [{"name": "X", "value": "mysql://u@my-db:3306/x"}, {"name": "Y", "value": "tcp://db:3306"}]
    manifests = [
        {"kind": "Service", "metadata": {"name": "db"}, "spec": service},
        {"kind": "Pod", "metadata": {"name": "p", "labels": {}}, "spec": {"containers": [{"name": "c", "env": env}]}},
    ]
    assert needed_edges(manifests) == {("Pod/p", "db", 3306)}


def _ports(pod: dict[str, Any]) -> set[int]:
    return {port["containerPort"] for container in containers_of(pod) for port in container.get("ports", [])}


def _number(manifests: list[Manifest], labels: dict[str, str], name: str) -> int:
    """A named port of the pod with these labels."""
    return next(
        int(port["containerPort"])
        for _, own, pod in pods_of(manifests)
        if own == labels
        for container in containers_of(pod)
        for port in container.get("ports", [])
        if port["name"] == name
    )
