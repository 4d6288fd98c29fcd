"""Convert a trained network into the graphs for serving, and check that they predict the same."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import nncf
import numpy as np
import openvino as ov
import torch

from dandelion.domain.arrays import Floats, Ints, Pixels
from dandelion.errors import ParityError
from dandelion.package import softmax
from dandelion.package.network import Network

OUTPUTS = ("logits", "embedding", "activation")
MAX_DIFFERENCE = 0.02
MIN_AGREEMENT = 0.99
MAX_ACCURACY_LOSS = 0.005
CALIBRATION_PHOTOS = 256
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """How much a graph's predictions differ from those of the reference.

    Attributes:
        agreement: Share of photos with the same label, in [0, 1].
        max_difference: Largest difference of a probability.
        accuracy_loss: The reference's accuracy minus the graph's, in [-1, 1].
    """

    agreement: float
    max_difference: float
    accuracy_loss: float


@dataclass(frozen=True, slots=True)
class Exported:
    """The graphs of a package, and how each differs from torch; `int8` is None if that graph was left out."""

    float32: ov.Model
    parity: Parity
    int8: ov.Model | None
    int8_parity: Parity


def convert(network: Network, height: int, width: int) -> ov.Model:
    """The graph of `network`: input uint8 [-1, height, width, 3]; outputs `logits`, `embedding`, `activation`."""
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        # The tracer warns about every shape that it fixes. All are fixed except the batch size.
        warnings.simplefilter("ignore")
        graph = ov.convert_model(network, example_input=example, input=[([-1, height, width, 3], ov.Type.u8)])
    for output, name in zip(graph.outputs, OUTPUTS, strict=True):
        output.get_tensor().set_names({name})
    return graph


def halve(graph: ov.Model) -> ov.Model:
    """The graph as a package stores it: weights rounded to float16, computation in float32."""
    with tempfile.TemporaryDirectory() as folder:
        save(graph, Path(folder) / "model.xml")
        return ov.Core().read_model(Path(folder) / "model.xml")


def quantise(graph: ov.Model, photos: Pixels) -> ov.Model:
    """An int8 graph of `logits` and `embedding`, its ranges measured on training photos, uint8 [N, H, W, 3]."""
    lean = graph.clone()
    for output in [each for each in lean.outputs if "activation" in each.get_names()]:
        lean.remove_result(output.get_node())
    batches = [photos[start : start + _BATCH] for start in range(0, min(len(photos), CALIBRATION_PHOTOS), _BATCH)]
    return nncf.quantize(lean, nncf.Dataset(batches), preset=nncf.QuantizationPreset.MIXED, subset_size=len(batches))


def run_graph(graph: ov.Model, photos: Pixels, output: str = "logits") -> Floats:
    """The `output` of the graph for `photos`, uint8 [N, H, W, 3], in float32 arithmetic: float32 [N, K] or [N, D]."""
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    batches = [compiled({0: photos[start : start + _BATCH]})[output] for start in range(0, len(photos), _BATCH)]
    return np.concatenate(batches)


def compare(reference: Floats, candidate: Floats, targets: Ints, temperature: float) -> Parity:
    """How the candidate's logits differ from the reference's, as probabilities; all float32 [N, K]."""
    p, q = softmax(reference / temperature), softmax(candidate / temperature)
    ours, theirs = q.argmax(axis=1), p.argmax(axis=1)
    return Parity(
        agreement=float((ours == theirs).mean()),
        max_difference=float(np.abs(p - q).max()),
        accuracy_loss=float((theirs == targets).mean() - (ours == targets).mean()),
    )


def require_parity(parity: Parity) -> None:
    """Check that a float32 graph predicts the same as torch.

    Raises:
        ParityError: A label differs, or a probability differs by more than `MAX_DIFFERENCE`.
    """
    if parity.agreement < 1 or parity.max_difference > MAX_DIFFERENCE:
        raise ParityError(
            f"The exported graph differs from torch: same label on {parity.agreement:.1%} of the photos, "
            f"probabilities differ by up to {parity.max_difference:.4f} (the limit is {MAX_DIFFERENCE}).",
            "Nothing was registered. Try another architecture or a newer OpenVINO.",
        )


def keeps_quality(parity: Parity) -> bool:
    """Whether an int8 graph is good enough to replace the float32 graph."""
    return parity.agreement >= MIN_AGREEMENT and parity.accuracy_loss <= MAX_ACCURACY_LOSS


def save(graph: ov.Model, path: Path) -> None:
    """Write the graph with float16 weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(graph, path, compress_to_fp16=True)
