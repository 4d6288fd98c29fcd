"""The CPU engine."""

from __future__ import annotations

import threading

import numpy as np
import openvino as ov

from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import SettingsError
from dandelion.inference.runtime import Output
from dandelion.package import ModelPackage

_ACTIVATION = "activation"

# OpenVINO builds its table of dtypes on first use, under a C++ guard in which it waits for Python's lock. Two threads
# that use it first at the same time deadlock; only one thread runs an import.
ov.Type.u8.to_dtype()


class OpenVinoRuntime:
    """A package's graph compiled for this CPU, with one single-threaded stream a worker.

    Many streams of one thread beat one stream of many threads here: the graphs are small, and a layer takes too
    little time to split it among cores.
    """

    def __init__(self, package: ModelPackage, precision: str, workers: int) -> None:
        self._core = ov.Core()
        self._package = package
        self.precision = _choose_precision(
            package, precision, self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        )
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bfloat16" else "f32",
            "NUM_STREAMS": workers,
            "INFERENCE_NUM_THREADS": workers,
            "ENABLE_CPU_PINNING": False,
        }
        graph = self._core.read_model(package.graph("int8" if self.precision == "int8" else "float32"))
        for output in [o for o in graph.outputs if _ACTIVATION in o.get_names()]:
            # Only `/explain` needs this output; without it, the serving graph neither computes nor copies it.
            graph.remove_result(output.get_node())
        self._compiled = self._core.compile_model(graph, "CPU", self._options)
        self._outputs = {name: self._compiled.output(name) for name in ("logits", "embedding")}
        self._requests = threading.local()
        self._explainer: ov.CompiledModel | None = None
        self._explainer_lock = threading.Lock()

    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        results = request.infer({0: batch}, share_inputs=True, share_outputs=False)
        return Output(results[self._outputs["logits"]], results[self._outputs["embedding"]])

    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        with self._explainer_lock:
            if self._explainer is None:
                graph = self._package.graph("float32")  # the only one with that output
                self._explainer = self._core.compile_model(graph, "CPU", self._options | {"NUM_STREAMS": 1})
            result = self._explainer({0: photo[np.newaxis]})
            return np.array(result[self._explainer.output(_ACTIVATION)][0], dtype=np.float32)


def _choose_precision(package: ModelPackage, wanted: str, capabilities: list[str]) -> str:
    """The precision to run: the wanted one, or for `auto` the fastest that CPU and package support.

    Emulated bfloat16 is four times slower than float32, so `auto` uses it only on CPUs that list it (AMX, or
    AVX-512 BF16). If the package has an int8 graph, that is faster than both.
    """
    if wanted == "bfloat16" and "BF16" not in capabilities:
        raise SettingsError(
            "DANDELION_INFERENCE__PRECISION is bfloat16, which this CPU would emulate four times slower than float32.",
            "Set it to auto.",
        )
    if wanted != "auto":
        return wanted
    if "int8" in package.manifest.precisions and "INT8" in capabilities:
        return "int8"
    return "bfloat16" if "BF16" in capabilities else "float32"
