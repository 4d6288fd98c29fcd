"""Exported graphs answer as torch does, or are refused."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest
import timm
import torch

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import ParityError
from dandelion.package.network import Network
from dandelion.training import graphs
from dandelion.training.fit import predict_logits

SIZE = 64
SPEC = InputSpec(SIZE, SIZE)


def network(name: str, **options: object) -> Network:
    torch.manual_seed(0)
    return Network(timm.create_model(name, num_classes=3, **options), SPEC).eval()


def photos(count: int = 6) -> Pixels:
    return np.random.default_rng(0).integers(0, 255, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "mobilenetv3_small_050"])
def test_a_graph_answers_as_its_network_at_any_batch_size(name: str) -> None:
    net = network(name)
    graph = graphs.convert(net, SIZE, SIZE)
    answers = predict_logits(net.classifier, photos(11), SPEC)
    parity = graphs.compare(answers, graphs.run_graph(graph, photos(11)), np.zeros(11, np.int64), 1.0)
    graphs.require_parity(parity)
    assert parity.agreement == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [("test_resnet", {}), ("test_convnext", {}), ("test_vit", {"img_size": SIZE}), ("mobilenetv3_small_050", {})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_activation_map_has_a_value_for_each_class_and_place(name: str, options: dict[str, object]) -> None:
    with torch.inference_mode():
        logits, _, activation = network(name, **options)(torch.from_numpy(photos(2)))
    assert activation.shape[:2] == logits.shape == (2, 3)
    assert activation.shape[2] == activation.shape[3] > 1
    assert activation.std() > 0


def test_the_mean_of_the_activation_map_is_the_logits_where_the_head_is_linear() -> None:
    with torch.inference_mode():
        logits, _, activation = network("test_resnet")(torch.from_numpy(photos(2)))
    torch.testing.assert_close(activation.mean(dim=(2, 3)), logits, atol=1e-4, rtol=1e-4)


def test_a_graph_that_answers_differently_is_refused() -> None:
    net, other = network("test_resnet"), network("test_resnet")
    with torch.no_grad():
        classifier = other.classifier.get_classifier()  # type: ignore[operator]
        classifier.weight.add_(5.0 * torch.randn_like(classifier.weight))
    answers = predict_logits(net.classifier, photos(), SPEC)
    parity = graphs.compare(answers, predict_logits(other.classifier, photos(), SPEC), np.zeros(6, np.int64), 1.0)
    with pytest.raises(ParityError, match="Nothing was registered"):
        graphs.require_parity(parity)


def test_an_int8_graph_has_the_hot_outputs_only_and_runs() -> None:
    graph = graphs.quantise(graphs.convert(network("test_resnet"), SIZE, SIZE), photos(16))
    assert {name for output in graph.outputs for name in output.get_names()} == {"logits", "embedding"}
    assert any(operation.get_type_name() == "FakeQuantize" for operation in graph.get_ops())
    assert graphs.run_graph(graph, photos()).shape == (6, 3)


@pytest.mark.parametrize(
    ("parity", "kept"),
    [
        (graphs.Parity(1.0, 0.1, 0.0), True),
        (graphs.Parity(0.99, 0.3, 0.005), True),
        (graphs.Parity(0.98, 0.01, -0.01), False),
        (graphs.Parity(1.0, 0.01, 0.01), False),
    ],
)
def test_an_int8_graph_is_kept_only_when_it_agrees_and_costs_no_accuracy(parity: graphs.Parity, kept: bool) -> None:
    assert graphs.keeps_quality(parity) is kept


def test_weights_of_a_package_are_rounded_to_half_and_answer_alike() -> None:
    exact = graphs.convert(network("resnet10t"), SIZE, SIZE)
    halved = graphs.halve(exact)

    def size(graph: ov.Model) -> int:
        return sum(op.get_byte_size() for op in graph.get_ops() if op.get_type_name() == "Constant")

    assert size(halved) < 0.6 * size(exact)
    parity = graphs.compare(
        graphs.run_graph(exact, photos()), graphs.run_graph(halved, photos()), np.zeros(6, np.int64), 1.0
    )
    assert parity.max_difference < 0.01
