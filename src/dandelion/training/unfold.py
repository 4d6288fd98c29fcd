"""Rebuild torch weights from a package that contains only graphs, so that the next model can start from them.

OpenVINO folds each batch normalisation into the convolution before it. Every way to split the product gives the same
predictions, but training normalises every batch anew. So the split is chosen whose normalisation has the mean and
variance of real photos; then the unfolded model trains like one that was never folded. The last layer is left out,
because training starts with a new one. The result is verified: its embeddings must match those of the graph.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import timm
import torch
from torch import Tensor, nn

from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import TrainingError
from dandelion.package import ModelPackage
from dandelion.package.network import Network
from dandelion.training.graphs import run_graph

_BATCH = 16  # photos whose activations are in memory at once
MAX_DIFFERENCE = 0.01  # of the embedding's largest value; rounding makes 0.00001
_ROOT = "__module.classifier."
_NORMALISED = "/aten::batch_norm"


def unfold(package: ModelPackage, photos: Pixels) -> dict[str, Tensor]:
    """The weights of the package's float32 graph as a state dict of its timm model.

    Args:
        package: The package to unfold.
        photos: A few dozen photos as the model sees them, uint8 RGB [N, H, W, 3], for the batch statistics.

    Raises:
        TrainingError: The graph does not consist of folded convolutions, or the result does not match the graph.
    """
    manifest = package.manifest
    graph = ov.Core().read_model(package.graph("float32"))
    model = timm.create_model(manifest.architecture, num_classes=len(manifest.classes)).eval()
    network = Network(model, manifest.input).eval()
    try:
        _take_over(model, _folded(graph), _feeds(network, photos[:1]))
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refusal(package, f"{type(error).__name__}: {error}") from error
    embeddings = _renormalise(network, photos)
    expected = run_graph(graph, photos, "embedding")
    difference = float(np.abs(embeddings - expected).max() / max(np.abs(expected).max(), 1e-6))
    if not difference <= MAX_DIFFERENCE:
        raise _refusal(package, f"embeddings differ by {difference:.1%}")
    return {name: value.contiguous() for name, value in model.state_dict().items()}


def _folded(graph: ov.Model) -> dict[str, tuple[Floats, Floats]]:
    """Name of each batch normalisation to the weight and the bias that it was folded into."""
    found = {}
    for node in graph.get_ordered_ops():
        name = node.get_friendly_name()
        if node.get_type_name() != "Add" or _NORMALISED not in name:
            continue
        sources = [port.get_source_output().get_node() for port in node.inputs()]
        convolution = next(each for each in sources if each.get_type_name().endswith("Convolution"))
        bias = next(value for each in sources if (value := _constant(each)) is not None)
        weight = _constant(convolution.input(1).get_source_output().get_node())
        if weight is not None:
            found[name.split(_NORMALISED)[0].removeprefix(_ROOT)] = weight, bias.ravel()
    return found


def _constant(node: ov.Node) -> Floats | None:
    while node.get_type_name() in {"Convert", "Reshape"}:
        node = node.input(0).get_source_output().get_node()
    return np.array(node.get_data(), dtype=np.float32) if node.get_type_name() == "Constant" else None


def _feeds(network: Network, photos: Pixels) -> dict[str, str]:
    """Name of each batch normalisation to the convolution whose output it normalises."""
    made: dict[int, tuple[str, Tensor]] = {}  # holds the tensor, so that no other gets its id
    feeds: dict[str, str] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: made.__setitem__(id(output), (name, output))

    def find(name: str) -> Callable[..., None]:
        return lambda _module, inputs: feeds.__setitem__(name, made[id(inputs[0])][0])

    hooks = []
    for name, module in network.classifier.named_modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(note(name)))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(find(name)))
    with torch.inference_mode():
        network.features(torch.from_numpy(photos))
    for hook in hooks:
        hook.remove()
    return feeds


@torch.no_grad()
def _take_over(model: nn.Module, folded: dict[str, tuple[Floats, Floats]], feeds: dict[str, str]) -> None:
    modules = dict(model.named_modules())
    for name, convolution in feeds.items():
        weight, bias = folded[name]
        target, norm = modules[convolution], modules[name]
        target.weight.copy_(torch.from_numpy(weight).reshape(target.weight.shape))
        norm.running_mean.zero_()
        norm.running_var.fill_(1)
        norm.weight.fill_((1 + norm.eps) ** 0.5)
        norm.bias.copy_(torch.from_numpy(bias))


@torch.no_grad()
def _renormalise(network: Network, photos: Pixels) -> Floats:
    """Give every normalisation the statistics of `photos` without changing its output; return their embeddings."""
    norms = [module for module in network.classifier.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in norms}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        seen[norm].append((variance, mean))

    batches = [torch.from_numpy(photos[start : start + _BATCH]) for start in range(0, len(photos), _BATCH)]
    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    for batch in batches:
        network.features(batch)
    for hook in hooks:
        hook.remove()
    shares = torch.tensor([len(batch) / len(photos) for batch in batches])
    for norm in norms:
        variances, means = (torch.stack(parts) for parts in zip(*seen[norm], strict=True))
        mean = shares @ means
        variance = shares @ (variances + means.square()) - mean.square()
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
    return torch.cat([network.head(network.features(batch))[1] for batch in batches]).numpy()


def _refusal(package: ModelPackage, why: str) -> TrainingError:
    return TrainingError(
        f"{package.manifest.architecture} cannot be rebuilt from its graph ({why}).",
        "Train without --compact next time, so that the package contains the weights.",
    )
