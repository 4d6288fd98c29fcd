"""What answers: one set of weights, as a package for ours and as a file for the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from dandelion import __version__
from dandelion.domain import InputSpec
from dandelion.imaging import prepare
from dandelion.imaging.statistics import NAMES as STATISTICS
from dandelion.imaging.statistics import SIZE
from dandelion.package import Manifest, seal_package
from dandelion.package.network import Network
from dandelion.training import graphs
from dandelion.training.reference import find_reference

MODELS = {"tf_efficientnet_lite0": 192, "mobilenetv3_small_100": 224}
# Weights at random are unsure of every photo, and unsure photos are kept for a person to label. A model that was
# trained is sure of most, so this one is made to be.
TEMPERATURE = 1e-6


def export(name: str, folder: Path, thumbnail: Path) -> tuple[Path, Path]:
    """A package and the same weights for the peers. Speed does not depend on what the weights were trained for."""
    size = MODELS.get(name, 224)
    spec = InputSpec(size, size)
    torch.manual_seed(0)
    classifier = timm.create_model(name, num_classes=2).eval()
    package = folder / "package"
    (package / "openvino").mkdir(parents=True)
    graph = graphs.convert(Network(classifier, spec).eval(), size, size)
    sample = prepare(thumbnail.read_bytes(), spec)
    varied = np.stack([np.roll(sample, shift, axis=1) for shift in range(16)])
    graphs.save(graphs.quantise(graph, varied), package / "openvino" / "int8.xml")
    graphs.save(graph, package / "openvino" / "model.xml")
    width = int(classifier.head_hidden_size if hasattr(classifier, "head_hidden_size") else classifier.num_features)
    embeddings = np.random.default_rng(0).normal(size=(256, width)).astype(np.float32)
    looks = {name: np.linspace(0, 1, 256, dtype=np.float32) for name in (*STATISTICS, SIZE)}
    reference = find_reference(embeddings, np.arange(256) % 2, looks, np.full((256, 2), 0.5, np.float32))
    reference.save(package / "reference.npz")
    manifest = Manifest(
        architecture=name,
        input=spec,
        classes=("dandelion", "grass"),
        temperature=TEMPERATURE,
        outlier_threshold=1e9,
        dataset_digest="none",
        code_version=__version__,
        precisions=("float32", "int8"),
    )
    (package / "model.json").write_text(manifest.model_dump_json())
    (package / "metrics.json").write_text("{}")
    (package / "MODEL_CARD.md").write_text("# Weights at random, for speed only\n")
    seal_package(package)
    weights = folder / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in classifier.state_dict().items()}, weights)
    return package, weights
