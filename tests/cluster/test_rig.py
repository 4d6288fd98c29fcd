"""The node that other tests stand on does what a cluster does. These run only where something of it has changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.clients import Kubectl
from tests.cluster.namespace import quick
from tests.cluster.node import Node
from tests.waiting import wait_until

PORT = 8000
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
SERVER = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["HOSTNAME"].encode())
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


def pod(name: str, image: str, **container: Any) -> dict[str, Any]:
    """A pod as "restricted" wants it, with a root that nobody can write to."""
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 10001},
        "containers": [
            {
                "name": "main",
                "image": image,
                "ports": [{"containerPort": PORT}],
                "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "securityContext": RESTRICTED,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
                **container,
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def service(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": PORT}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ready(kubectl: Kubectl, *pods: str) -> None:
    kubectl("wait", "--for=condition=Ready", "--timeout=240s", *(f"pod/{name}" for name in pods))


def asks(kubectl: Kubectl, client: str, host: str) -> bool:
    """Whether a pod reaches a server."""
    ask = f"import urllib.request as r; print(r.urlopen('http://{host}:{PORT}/', timeout=2).status)"
    return kubectl.succeeds("exec", client, "--", "python", "-c", ask)


@pytest.fixture
def python(image: Callable[[str], str]) -> str:
    return image("api")


@pytest.fixture
def server(python: str) -> Callable[[str], dict[str, Any]]:
    return lambda name: pod(name, python, command=["python", "-c", SERVER])


def test_a_pod_that_wants_more_than_restricted_is_refused(kubectl: Kubectl, python: str) -> None:
    wanting = pod("wanting", python)
    wanting["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl.apply(wanting)
    assert "restricted" in str(refused.value.stderr)


def test_pods_find_each_other_by_name_within_and_across_namespaces(
    kubectl: Kubectl, server: Callable[[str], dict[str, Any]]
) -> None:
    kubectl.apply(server("one"), server("two"), service("one"))
    ready(kubectl, "one", "two")
    wait_until(lambda: asks(kubectl, "two", "one"), "one is found by its name", seconds=60, every=0.5)
    assert asks(kubectl, "two", f"one.{kubectl.namespace}.svc.cluster.local")


def test_this_machine_reaches_a_node_port(
    kubectl: Kubectl, node: Node, server: Callable[[str], dict[str, Any]]
) -> None:
    kubectl.apply(server("one"), service("one", type="NodePort"))
    ready(kubectl, "one")
    port = kubectl.get("service", "one")["spec"]["ports"][0]["nodePort"]
    with httpx.Client(base_url=f"http://{node.address}:{port}") as client:
        wait_until(lambda: _is_ok(client), "the port answers", seconds=60, every=0.5)
        assert client.get("/").text == "one"


def test_network_policies_are_enforced(kubectl: Kubectl, server: Callable[[str], dict[str, Any]]) -> None:
    kubectl.apply(server("one"), server("friend"), server("stranger"), service("one"))
    ready(kubectl, "one", "friend", "stranger")
    wait_until(lambda: asks(kubectl, "stranger", "one"), "strangers are let in", seconds=60, every=0.5)
    allow = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "only-friends"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "one"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}], "ports": [{"port": PORT}]}],
        },
    }
    kubectl.apply(allow)
    wait_until(lambda: not asks(kubectl, "stranger", "one"), "strangers are kept out", seconds=60, every=0.5)
    assert asks(kubectl, "friend", "one")


def test_a_claim_is_bound_and_writable_for_the_pods_group(
    kubectl: Kubectl, server: Callable[[str], dict[str, Any]]
) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    writer = server("writer")
    writer["spec"]["volumes"][0] = {"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"}, "spec": claim}, writer
    )
    ready(kubectl, "writer")
    kubectl("exec", "writer", "--", "sh", "-c", "echo kept > /data/file")
    assert kubectl("exec", "writer", "--", "cat", "/data/file").strip() == "kept"


def test_a_gateway_splits_requests_by_weight(
    kubectl: Kubectl, gateway: str, server: Callable[[str], dict[str, Any]]
) -> None:
    kubectl.apply(server("one"), server("two"), service("one"), service("two"))
    ready(kubectl, "one", "two")
    backends = [{"name": "one", "port": PORT, "weight": 3}, {"name": "two", "port": PORT, "weight": 1}]
    spec = {
        "parentRefs": [{"name": "gateway", "namespace": "projectcontour"}],
        "hostnames": ["split.example.com"],
        "rules": [{"backendRefs": backends}],
    }
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "split"}}
    kubectl.apply({**route, "spec": spec})
    with httpx.Client(base_url=gateway, headers={"Host": "split.example.com"}) as client:
        wait_until(lambda: _is_ok(client), "the gateway answers", seconds=60, every=0.5)
        answers = [client.get("/").text for _ in range(200)]
    # Four standard deviations of a fair draw.
    assert 125 < answers.count("one") < 175
    assert answers.count("one") + answers.count("two") == 200


def _is_ok(client: httpx.Client) -> bool:
    try:
        return client.get("/").is_success
    except httpx.TransportError:
        return False


def test_another_run_of_the_tests_waits_for_the_node(node: Node) -> None:
    script = "from tests.cluster.node import Node\nwith Node().session(): print('had it')"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as other:
        assert other.stderr is not None
        assert "waiting" in other.stderr.readline()
        assert other.poll() is None
        other.kill()
    assert node.is_up


def test_mysql_s_image_takes_what_the_published_one_takes(kubectl: Kubectl, image: Callable[[str], str]) -> None:
    given = {
        "MYSQL_ROOT_PASSWORD": "it's \\ hard",
        "MYSQL_DATABASE": "some_db",
        "MYSQL_USER": "me",
        "MYSQL_PASSWORD": "p",
    }
    ask = ["mysql", "-h127.0.0.1", "-ume", "-pp", "-NBe"]
    one = pod(
        *("mysql", image("mysql")),
        env=[{"name": name, "value": value} for name, value in given.items()],
        readinessProbe={"exec": {"command": [*ask, "SELECT 1"]}, "periodSeconds": 1},
        args=["mysqld", "--innodb-buffer-pool-size=64M"],
    )
    one["spec"]["securityContext"].update(runAsUser=999, runAsGroup=999, fsGroup=999)
    scripts = {"1.sql": "CREATE TABLE t (a INT);", "2.sh": 'mysql -uroot -e "INSERT INTO some_db.t VALUES (7)"'}
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": scripts})
    volumes = {"data": "/var/lib/mysql", "tmp": "/tmp", "run": "/var/run/mysqld", "init": "/docker-entrypoint-initdb.d"}
    one["spec"]["containers"][0]["volumeMounts"] = [{"name": key, "mountPath": path} for key, path in volumes.items()]
    one["spec"]["volumes"] += [{"name": "run", "emptyDir": {}}, {"name": "init", "configMap": {"name": "scripts"}}]
    kubectl.apply(one)
    ready(kubectl, "mysql")
    assert kubectl("exec", "mysql", "--", *ask, "SELECT a FROM some_db.t").strip() == "7"


def test_what_is_taken_down_leaves_nothing(node: Node, tmp_path: Path) -> None:
    """On a node of its own kind, so that the others' goes on."""
    del node
    other = Node("api")
    with other.session():
        assert json.loads(other.kubectl("get", "nodes", "-o", "json"))["items"]
        folder = other.space.folder
    assert not folder.exists()
    assert other.space.name not in quick("ip", "netns")
    assert str(folder) not in Path("/proc/mounts").read_text()
