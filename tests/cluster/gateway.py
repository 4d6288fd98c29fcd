"""A Gateway API controller before the node: Contour tells Envoy what HTTPRoutes say."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.clients import Kubectl
from tests.cluster.namespace import Namespace, quick
from tests.servers import tools
from tests.servers.tools.go import module_folder
from tests.servers.tools.kubernetes import CONTOUR

GATEWAY_API = "v1.3.0"
PORT = 8080
HERE = Path(__file__).parent


def start_gateway(namespace: Namespace, kubectl: Kubectl) -> str:
    """Start it beside the node, whose address it listens on, and say where.

    It is the Gateway `gateway` in the namespace `projectcontour`. It listens once there is a route, and answers only
    hosts that a route names. To pods, what it hands on comes from the node.
    """
    folder, url = namespace.folder, f"http://{namespace.address}:{PORT}"
    if namespace.runs("envoy"):
        return url
    kinds = module_folder("sigs.k8s.io/gateway-api", GATEWAY_API) / "config" / "crd" / "experimental"
    proxies = module_folder("github.com/projectcontour/contour", CONTOUR.version) / "examples/contour/01-crds.yaml"
    for manifest in (*sorted(kinds.glob("gateway*.yaml")), proxies):
        kubectl("apply", "--server-side", "-f", manifest)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    kubectl("apply", "-f", HERE / "manifests" / "gateway.yaml")
    contour = tools.find("contour")
    feed = ["--xds-address=127.0.0.1", "--xds-port=8001"]
    (folder / "contour.yaml").write_text("gateway:\n  gatewayRef: {namespace: projectcontour, name: gateway}\n")
    serve = [contour, "serve", f"--kubeconfig={kubectl.kubeconfig}", "--insecure", *feed]
    namespace.start("contour", *serve, f"--config-path={folder}/contour.yaml", "--disable-leader-election")
    bootstrap = [f"--admin-address={folder}/envoy.sock", *feed, "--xds-resource-version=v3"]
    quick(contour, "bootstrap", *bootstrap, folder / "envoy.json")
    # This Envoy ends with its parent, so it gets one that stays.
    envoy = [tools.find("envoy"), "-c", folder / "envoy.json", "--service-cluster", "projectcontour"]
    stays = ["bash", "-c", '"$@"; exit $?', "envoy"]
    namespace.start("envoy", *stays, *envoy, "--service-node", "envoy", "--log-level", "error")
    programmed = ("-n", "projectcontour", "wait", "--for=condition=Programmed", "--timeout=1s", "gateway/gateway")
    namespace.wait_for("contour", lambda: kubectl.succeeds(*programmed))
    return url
