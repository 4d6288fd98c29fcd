"""Choosing the engine by the settings and the machine."""

from __future__ import annotations

import importlib.util
import os

from threadpoolctl import ThreadpoolController

from dandelion.errors import SettingsError
from dandelion.inference.runtime import Runtime
from dandelion.package import ModelPackage
from dandelion.settings import InferenceSettings


def create_runtime(package: ModelPackage, settings: InferenceSettings, workers: int) -> Runtime:
    """Load `package` into the engine that fits the settings and the machine.

    Raises:
        SettingsError: The settings name an engine that is not installed.
        PackageError: The package lacks the graph that the settings name.
    """
    # The starter has no torch weights, and must run on a machine with a GPU, too.
    on_gpu = settings.runtime == "auto" and package.weights.exists() and _has_gpu()
    if settings.runtime == "torch" or on_gpu:
        if importlib.util.find_spec("torch") is None:
            raise SettingsError(
                "DANDELION_INFERENCE__RUNTIME is torch, but torch is not installed.",
                "Install it: pip install 'dandelion[train]'",
            )
        from dandelion.inference.torch_runtime import TorchRuntime

        return TorchRuntime(package)
    from dandelion.inference.openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime(package, settings.precision, workers)


def leave_algebra_one_thread() -> None:
    """Run NumPy's OpenBLAS in the calling thread, for the rest of this process.

    A worker's matrices are small. Spread over all cores, they took a third of the processor's time: OpenBLAS's threads
    spin while they wait, and compete with workers that decode photos. Torch's own libraries are not affected.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)


def _has_gpu() -> bool:
    # Importing torch to find out would cost a second and 200 MB on every CPU-only machine that has it.
    return os.path.exists("/dev/nvidiactl") and importlib.util.find_spec("torch") is not None  # noqa: PTH110
