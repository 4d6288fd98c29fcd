"""kubectl and helm against one cluster."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.namespace import quick
from tests.servers import tools


class Kubectl:
    """Speaks to the cluster that a kubeconfig names.

    Args:
        kubeconfig: Who signs in, and where.
        namespace: Where; without, objects and arguments say so.
    """

    def __init__(self, kubeconfig: Path, namespace: str = "") -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def __call__(self, *arguments: str | Path, given: str | None = None) -> str:
        """What it printed.

        Raises:
            subprocess.CalledProcessError: It failed, with what it said as a note.
        """
        return quick(*self._argv(arguments), given=given)

    def succeeds(self, *arguments: str | Path) -> bool:
        """Whether it ends well."""
        return subprocess.run(self._argv(arguments), capture_output=True, check=False).returncode == 0

    def get(self, *arguments: str) -> Any:
        """Objects as the API server has them."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Have these objects."""
        self("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def within(self, namespace: str) -> Kubectl:
        """The same in another namespace."""
        return Kubectl(self.kubeconfig, namespace)

    def _argv(self, arguments: Sequence[str | Path]) -> list[str]:
        where = [f"--namespace={self.namespace}"] if self.namespace else []
        return [*map(str, [tools.find("kubectl"), f"--kubeconfig={self.kubeconfig}", *where, *arguments])]


class Helm:
    """Installs charts into the cluster that a kubeconfig names.

    Args:
        kubeconfig: Who signs in, and where.
        namespace: Where.
        program: `helm`, or `helm3`.
    """

    def __init__(self, kubeconfig: Path, namespace: str = "default", program: str = "helm") -> None:
        self._program = tools.find(program)
        self._kubeconfig = kubeconfig
        self.namespace = namespace

    def __call__(self, *arguments: str | Path) -> str:
        """What it printed.

        Raises:
            subprocess.CalledProcessError: It failed, with what it said as a note.
        """
        where = [f"--kubeconfig={self._kubeconfig}", f"--namespace={self.namespace}"]
        # Contributors' own repositories and plugins play no part.
        home = self._kubeconfig.parent / "helm"
        plain = [f"HELM_{each}_HOME={home}" for each in ("CACHE", "CONFIG", "DATA")]
        return quick("env", *plain, self._program, *where, *arguments)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready; one that no kubelet has seen yet has no such condition."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def given_kubeconfig() -> Path | None:
    """The cluster that a contributor has running, by `TESTS_KUBECONFIG`."""
    given = os.environ.get("TESTS_KUBECONFIG")
    return Path(given) if given else None
