"""The engine that the settings and the machine call for."""

from __future__ import annotations

import importlib.util
import os

from threadpoolctl import ThreadpoolController

from dandelion.errors import SettingsError
from dandelion.inference.runtime import Runtime
from dandelion.package import ModelPackage
from dandelion.settings import InferenceSettings


def create_runtime(package: ModelPackage, settings: InferenceSettings, workers: int) -> Runtime:
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

    return OpenVinoRuntime(package, settings.precision, workers)


def leave_algebra_one_thread() -> None:
    """Let NumPy's OpenBLAS work in the thread that calls it, in this process and from now on.

    A worker's matrices are small. Spread over all cores, they took a third of the processor's time: OpenBLAS's threads
    spin while they wait for the next one, beside workers that have photos to decode. Torch's own libraries keep theirs.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)


def _has_gpu() -> bool:
    # Asking torch itself would cost a second and 200 MB on every CPU-only machine that happens to have it.
    return os.path.exists("/dev/nvidiactl") and importlib.util.find_spec("torch") is not None  # noqa: PTH110
