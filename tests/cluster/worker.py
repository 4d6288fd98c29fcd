"""One real node: containerd, kubelet, kube-proxy, DNS, metrics, volumes and NetworkPolicies that are enforced."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.cluster.clients import Kubectl
from tests.cluster.control_plane import NODE, SERVICES
from tests.cluster.namespace import Namespace, quick
from tests.servers import tools
from tests.servers.tools import debian
from tests.servers.tools.kubernetes import COREDNS, METRICS_SERVER

PODS = "10.244.0.0/24"
DNS_SERVICE = "10.96.0.10"
VOLUMES = 40
HERE = Path(__file__).parent
# Images outlive the node, so that a day's second node has them at once.
IMAGES = tools.CACHE / "containerd"
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "socat": "socat",
    "ebtables": "ebtables",
    "ethtool": "ethtool",
    "gcc": "gcc",
    "openssl": "openssl",
    "ip": "iproute2",
}
PLUGINS = Path("/usr/lib/cni")
PAUSE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void quit(int number) { _exit(0); }
static void reap(int number) { while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) { signal(SIGTERM, quit); signal(SIGINT, quit); signal(SIGCHLD, reap); for (;;) pause(); }
"""


def install() -> None:
    """Bring what Debian has of a node."""
    missing = [package for program, package in PROGRAMS.items() if tools.on_path(program) is None]
    if not (PLUGINS / "bridge").exists():
        missing.append("containernetworking-plugins")
    if missing:
        debian.install(*missing, "libc6-dev")


class Worker:
    """The node of a control plane that answers.

    Args:
        namespace: The control plane's.
        kubectl: Speaks to it.
    """

    def __init__(self, namespace: Namespace, kubectl: Kubectl) -> None:
        self._space = namespace
        self._kubectl = kubectl
        self._folder = namespace.folder

    def start(self) -> None:
        """Start it, and wait until it takes pods."""
        space, folder = self._space, self._folder
        for each in ("net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "net.bridge.bridge-nf-call-iptables"):
            quick(*space.inside("sysctl", "-qw", f"{each}=1"))
        # Services have no addresses of their own: any way there lets kube-proxy see what is sent to one from here.
        quick(*space.inside("ip", "route", "add", SERVICES, "via", space.host))
        watches = Path("/proc/sys/fs/inotify/max_user_instances")
        if int(watches.read_text()) < 1024:
            watches.write_text("1024")
        self._start_containerd()
        (folder / "resolv.conf").write_text("# nothing outside this node can be resolved\n")
        self._write("kubelet.json", self._kubelet_configuration())
        self._start_kubelet()
        who = ["--clusterrole=system:node-proxier", "--user=system:kube-proxy"]
        self._kubectl("create", "clusterrolebinding", "node-proxy", *who)
        self._write("proxy.json", self._proxy_configuration())
        space.start("proxy", tools.find("kube-proxy"), f"--config={folder}/proxy.json")
        space.wait_for("kubelet", self._is_registered)
        space.start("netpol", tools.find("netpol"), folder / "admin.conf", SERVICES, NODE)
        ready = ("wait", "--for=condition=Ready", "--timeout=1s", f"node/{NODE}")
        space.wait_for("kubelet", lambda: self._kubectl.succeeds(*ready))
        for manifest in ("storage", "coredns", "metrics-server"):
            self._kubectl("apply", "-f", HERE / "manifests" / f"{manifest}.yaml")
        self._kubectl.apply(*self._volumes())
        self._kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")

    def load(self, write: Callable[[set[str], IO[bytes]], int]) -> int:
        """Take images from an archive as it is written; the writer is told which blobs are here, and need not come."""
        known = set(quick(*self._ctr("content", "ls", "-q")).split())
        argv = self._ctr("images", "import", "--all-platforms", "-")
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            size_bytes = write(known, process.stdin)
            process.stdin.close()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, argv)
        return size_bytes

    def images(self) -> set[str]:
        """Names of the images that are there."""
        return set(quick(*self._ctr("images", "ls", "-q")).split())

    def forget(self, image: str) -> None:
        """Let an image go, and what it alone needed.

        The kubelet's side of containerd names each image by its id, too, and that name alone keeps all of its layers.
        """
        rows = [line.split() for line in quick(*self._ctr("images", "ls")).splitlines()[1:]]
        digests = {name: digest for name, _, digest, *_ in rows}
        kept = {digest for name, digest in digests.items() if name != image and not name.startswith("sha256:")}
        doomed = [name for name, digest in digests.items() if digest == digests.get(image) and digest not in kept]
        quick(*self._ctr("images", "rm", *(doomed or [image])))

    def stop(self) -> None:
        """End every container, so that their mounts can go."""
        self._space.stop("kubelet")
        if not self._answers_containerd():
            return
        for task in quick(*self._ctr("tasks", "ls", "-q"), check=False).split():
            quick(*self._ctr("tasks", "kill", "-s", "KILL", task), check=False)
        for kind in ("tasks", "containers"):
            if left := quick(*self._ctr(kind, "ls", "-q"), check=False).split():
                quick(*self._ctr(kind, "rm", *(["-f"] if kind == "tasks" else []), *left), check=False)

    def clear_volumes(self) -> None:
        """Empty the volumes that nobody claims any more, and offer them again."""
        for volume in self._kubectl.get("persistentvolumes")["items"]:
            if volume["status"]["phase"] == "Released":
                quick("find", volume["spec"]["local"]["path"], "-mindepth", "1", "-delete")
                freed = '[{"op": "remove", "path": "/spec/claimRef"}]'
                self._kubectl("patch", "pv", volume["metadata"]["name"], "--type=json", "-p", freed)

    def _start_containerd(self) -> None:
        folder = self._folder
        IMAGES.mkdir(parents=True, exist_ok=True)
        # The machine may lack the right to lower a process's chance of being killed for memory.
        (folder / "containerd.toml").write_text(f"""version = 2
root = "{IMAGES}"
state = "{folder}/containerd-run"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  netns_mounts_under_state_dir = true
  sandbox_image = "node.local/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{folder}/cni"
""")
        (folder / "cni").mkdir()
        addresses = {"type": "host-local", "dataDir": f"{folder}/cni-ipam", "ranges": [[{"subnet": PODS}]]}
        bridge: dict[str, Any] = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True}
        bridge["ipam"] = {**addresses, "routes": [{"dst": "0.0.0.0/0"}]}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        self._write("cni/10-node.conflist", {"cniVersion": "0.4.0", "name": "node", "plugins": [bridge, ports]})
        self._space.start("containerd", "containerd", "--config", folder / "containerd.toml")
        self._space.wait_for("containerd", self._answers_containerd, 30)
        present = self.images()
        if "node.local/pause:1" not in present:
            (folder / "pause.c").write_text(PAUSE)
            quick("gcc", "-static", "-Os", "-o", folder / "pause", folder / "pause.c")
            self._load_program("pause:1", folder / "pause")
        for program in (COREDNS, METRICS_SERVER):
            if f"node.local/{program.name}:{program.version}" not in present:
                self._load_program(f"{program.name}:{program.version}", tools.find(program.name))

    def _start_kubelet(self) -> None:
        space, folder = self._space, self._folder
        space.start(
            *("kubelet", tools.find("kubelet"), f"--config={folder}/kubelet.json"),
            *(f"--kubeconfig={folder}/kubelet.conf", f"--hostname-override={NODE}", f"--node-ip={space.address}"),
            *(f"--root-dir={folder}/kubelet", f"--cert-dir={folder}/pki"),
        )

    def _is_registered(self) -> bool:
        # containerd answers before its CRI service does, and a kubelet that finds it so gives up.
        if not self._space.runs("kubelet"):
            self._start_kubelet()
        return self._kubectl.succeeds("get", "node", NODE)

    def _load_program(self, image: str, program: Path) -> None:
        """Make an image of one static program."""
        container = quick("buildah", "from", "scratch").strip()
        archive, name = self._folder / "image.tar", image.partition(":")[0]
        try:
            quick("buildah", "copy", "-q", container, program, f"/{name}")
            quick("buildah", "config", "--entrypoint", json.dumps([f"/{name}"]), container)
            quick("buildah", "commit", "-q", container, f"docker-archive:{archive}:node.local/{image}")
        finally:
            quick("buildah", "rm", container)
        quick(*self._ctr("images", "import", archive))
        archive.unlink()

    def _kubelet_configuration(self) -> dict[str, Any]:
        folder = self._folder
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self._space.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{folder}/pki/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{folder}/pki/kubelet.crt",
            "tlsPrivateKeyFile": f"{folder}/pki/kubelet.key",
            "clusterDomain": "cluster.local",
            "clusterDNS": [DNS_SERVICE],
            "resolvConf": f"{folder}/resolv.conf",
            "podLogsDir": f"{folder}/pods",
            "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "maxOpenFiles": 20000,
            "maxPods": 110,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "syncFrequency": "10s",
            "shutdownGracePeriod": "0s",
        }

    def _proxy_configuration(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": PODS,
            "hostnameOverride": NODE,
            "oomScoreAdj": 0,
            "clientConnection": {"kubeconfig": f"{self._folder}/proxy.conf"},
            "conntrack": {"maxPerCore": 0, "min": 0},
        }

    def _volumes(self) -> list[dict[str, Any]]:
        """Folders of this machine behind the default class; a claim binds to one once a pod uses it."""
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
        items: list[dict[str, Any]] = []
        for number in range(VOLUMES):
            path = self._folder / "volumes" / str(number)
            path.mkdir(parents=True)
            spec = {
                "capacity": {"storage": "50Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "standard",
                "local": {"path": str(path)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            }
            metadata = {"name": f"local-{number}"}
            items.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})
        return items

    def _write(self, name: str, content: dict[str, Any]) -> None:
        (self._folder / name).write_text(json.dumps(content))

    def _ctr(self, *arguments: str | Path) -> list[str]:
        return ["ctr", "--address", f"{self._folder}/containerd.sock", "-n", "k8s.io", *map(str, arguments)]

    def _answers_containerd(self) -> bool:
        return subprocess.run(self._ctr("version"), capture_output=True, check=False).returncode == 0
