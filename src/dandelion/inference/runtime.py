"""What runs a model: one small protocol, two engines behind it."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from dandelion.errors import SettingsError
from dandelion.package import ModelPackage
from dandelion.settings import InferenceSettings

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Output:
    """What the graph says of a batch.

    Attributes:
        logits: float32 [B, K].
        embedding: float32 [B, D], what the last linear layer sees.
    """

    logits: Floats
    embedding: Floats


class Runtime(Protocol):
    """A loaded model. `run` may be called by as many threads at once as the runtime was made for lanes."""

    precision: str

    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        ...

    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        ...


def create_runtime(package: ModelPackage, settings: InferenceSettings, lanes: int) -> Runtime:
    """Load `package` into the engine that the settings and the machine call for.

    Raises:
        SettingsError: The settings ask for an engine that is not installed.
        PackageError: The package lacks the graph that the settings ask for.
    """
    # The starter has no torch weights: a GPU alone must not keep it from answering.
    on_gpu = settings.runtime == "auto" and package.weights.exists() and _has_gpu()
    if settings.runtime == "torch" or on_gpu:
        if importlib.util.find_spec("torch") is None:
            raise SettingsError(
                "DANDELION_INFERENCE__RUNTIME is torch, but torch is not installed.",
                "pip install 'dandelion[train]'",
            )
        from dandelion.inference.torch_runtime import TorchRuntime

        return TorchRuntime(package)
    from dandelion.inference.openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime(package, settings.precision, lanes)


def leave_algebra_one_thread() -> None:
    """Let NumPy's OpenBLAS work in the thread that calls it, in this process and from now on.

    A lane's matrices are small. Spread over all cores, they took a third of the processor's time: OpenBLAS's threads
    spin while they wait for the next one, beside lanes that have photos to decode. Torch's own libraries keep theirs.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)


def usable_cores() -> int:
    """Processor cores that this process may use: its affinity, and its cgroup's quota when that is less."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota_cores()))


def _quota_cores() -> int:
    for path in ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        try:
            with open(path, encoding="ascii") as stream:  # noqa: PTH123 -- read at every start, pathlib adds nothing
                fields = stream.read().split()
        except OSError:
            continue
        if len(fields) == 2 and fields[0] != "max":
            return max(1, round(int(fields[0]) / int(fields[1])))
        if len(fields) == 1 and int(fields[0]) > 0:
            return max(1, round(int(fields[0]) / 100_000))  # the kernel's default period, microseconds
    return os.cpu_count() or 1


def _has_gpu() -> bool:
    # Asking torch itself would cost a second and 200 MB on every CPU-only machine that happens to have it.
    return os.path.exists("/dev/nvidiactl") and importlib.util.find_spec("torch") is not None  # noqa: PTH110
