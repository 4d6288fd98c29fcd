"""Kubernetes on this machine, from package registries alone: no Docker, no image registry, no cloud. Needs root.

python -m tests.cluster.node up [--api]   # a whole node; with --api the control plane alone, and fake nodes
python -m tests.cluster.node gateway      # add a Gateway API controller
python -m tests.cluster.node images       # build the project's images, and load them
python -m tests.cluster.node env          # exports for kubectl and helm
python -m tests.cluster.node sh CMD...    # run a command inside its network
python -m tests.cluster.node down [--api]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.cluster import worker
from tests.cluster.clients import Kubectl
from tests.cluster.control_plane import SERVICES, SERVICES_IPV6, ControlPlane
from tests.cluster.fake_nodes import start_fake_nodes
from tests.cluster.gateway import start_gateway
from tests.cluster.namespace import Namespace
from tests.cluster.worker import Worker
from tests.servers import tools

Kind = Literal["node", "api"]
NETWORKS: dict[Kind, str] = {"node": "198.18.99", "api": "198.18.98"}


class Node:
    """A cluster of one node, or of a control plane with fake nodes alone; at most one of each kind on a machine.

    Args:
        kind: `node` runs pods; `api` only says that they run.
    """

    def __init__(self, kind: Kind = "node") -> None:
        if os.geteuid() != 0:
            raise tools.ToolMissingError("a Kubernetes node needs root: network namespaces, containers, iptables")
        self.kind = kind
        self.space = Namespace(kind, NETWORKS[kind], Path("/var/lib") / f"dandelion-{kind}")
        self.kubeconfig = self.space.folder / "admin.conf"
        self.kubectl = Kubectl(self.kubeconfig)
        self.worker = Worker(self.space, self.kubectl)

    @property
    def address(self) -> str:
        """Where this machine reaches NodePorts and the gateway."""
        return self.space.address

    @property
    def is_up(self) -> bool:
        return self.kubeconfig.exists() and self.kubectl.succeeds("get", "--raw", "/readyz")

    @property
    def is_kept(self) -> bool:
        """Whether it was started by hand, and stays when tests end."""
        return self._kept.exists() and self.is_up

    def up(self, *, keep: bool = False) -> None:
        """Start it, in place of what a run that broke off has left."""
        worker.install()
        self.down()
        self.space.create()
        if self.kind == "node":
            ControlPlane(self.space, self.kubectl).start()
            self.worker.start()
        else:
            # No pod runs, so nothing routes addresses of either family.
            ControlPlane(self.space, self.kubectl, f"{SERVICES},{SERVICES_IPV6}").start()
            start_fake_nodes(self.space, self.kubectl)
        if keep:
            self._kept.touch()

    def down(self) -> None:
        """Leave nothing but programs and images in the cache."""
        if self.space.folder.exists():
            self.worker.stop()
        self.space.remove()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Have it for oneself: another run of the tests waits, and what was started by hand is used as it is."""
        locks = tools.CACHE / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / f"node-{self.kind}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"another run has the {self.kind}; waiting for it", file=sys.stderr, flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_kept:
                yield
                return
            try:
                self.up()
                yield
            finally:
                self.down()

    @property
    def _kept(self) -> Path:
        return self.space.folder / "kept"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "gateway", "images", "env", "sh", "down"])
    parser.add_argument("--api", action="store_true", help="the control plane alone, with fake nodes")
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="CMD")
    asked = parser.parse_args()
    # A flag may also stand behind the command.
    is_api = asked.api or (asked.command != "sh" and "--api" in asked.argv)
    node = Node("api" if is_api else "node")
    begin = time.monotonic()
    match asked.command:
        case "up":
            node.up(keep=True)
            print(f"up in {time.monotonic() - begin:.0f} s: Kubernetes on {node.address}")
        case "gateway":
            print(f"gateway at {start_gateway(node.space, node.kubectl)}, for hosts that a route names")
        case "images":
            from tests.cluster.images import load_images

            load_images(node.worker)
        case "env":
            print(f"export KUBECONFIG={node.kubeconfig}")
            for program in ("kubectl", "helm"):
                print(f'{program}() {{ {shlex.quote(str(tools.find(program)))} "$@"; }}')
        case "sh":
            return subprocess.run(node.space.inside(*asked.argv), check=False).returncode
        case "down":
            node.down()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
