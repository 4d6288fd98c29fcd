"""Model packages for the tests: the starter with other classes, another card or a tiny graph, or spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as op

from dandelion.package import seal_package
from dandelion.package.reference import Reference, normalise
from dandelion.package.starter import starter_path
from dandelion.package.store import GRAPHS, REFERENCE

_CELLS = 8  # across and down


def make_package(folder: Path, *, classes: Sequence[str] | None = None, note: str = "") -> Path:
    """The starter as another model."""
    shutil.copytree(starter_path(), folder)
    card = folder / "MODEL_CARD.md"
    card.write_text(f"{card.read_text()}\n{note}\n")
    if classes is not None:
        manifest = folder / "model.json"
        written = json.loads(manifest.read_text()) | {"classes": list(classes)}
        if written["background"] not in classes:
            written["background"] = None
        manifest.write_text(json.dumps(written))
    seal_package(folder)
    return folder


def make_unreadable(file: Path) -> None:
    """Let whoever reads the file get an input/output error, as of a bad disk, root too."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


def make_linear_package(folder: Path) -> Path:
    """The starter with a graph that takes a fiftieth of its time: a linear map of the colours of 8 x 8 cells.

    It notices more than a trained model, which learns not to: each cell and each colour has a weight of its own.
    """
    make_package(folder)
    manifest = json.loads((folder / "model.json").read_text()) | {"precisions": ["float32"], "temperature": 1.0}
    (folder / "model.json").write_text(json.dumps(manifest))
    size, classes = manifest["input"], len(manifest["classes"])
    weights = np.random.default_rng(0).normal(0, 0.5, (_CELLS * _CELLS * 3, classes)).astype(np.float32)

    def number(value: object) -> ov.Node:
        return op.constant(np.asarray(value, dtype=np.float32))

    pixels = op.parameter([-1, size["height"], size["width"], 3], np.uint8, name="pixels")
    planes = op.transpose(op.convert(pixels, "f32"), op.constant([0, 3, 1, 2]))
    step = [size["height"] // _CELLS, size["width"] // _CELLS]
    cells = op.avg_pool(op.divide(planes, number(255)), step, [0, 0], [0, 0], step, exclude_pad=True)
    embedding = op.reshape(cells, op.constant([0, -1]), special_zero=True)
    # Around the middle of all colours, so that no class is so sure that a difference would not show.
    logits = op.matmul(op.subtract(embedding, number(0.5)), op.constant(weights), False, False)
    activation = op.reduce_mean(cells, op.constant([1]), keep_dims=True)
    activation = op.concat([activation] * classes, 1)
    outputs = {"logits": logits, "embedding": embedding, "activation": activation}
    for name, node in outputs.items():
        node.output(0).get_tensor().set_names({name})
    graph = ov.Model([op.result(node) for node in outputs.values()], [pixels])
    ov.save_model(graph, folder / GRAPHS["float32"], compress_to_fp16=False)
    for file in (folder / GRAPHS["int8"]).parent.glob("int8.*"):
        file.unlink()
    _write_reference(folder / REFERENCE, len(weights))
    seal_package(folder)
    return folder


def _write_reference(file: Path, length: int) -> None:
    """The starter's, for embeddings of another length."""
    kept = Reference.load(file)
    generator = np.random.default_rng(0)
    neighbours = normalise(generator.uniform(0, 1, (kept.neighbours.k, length)).astype(np.float32))
    axes = np.eye(len(kept.directions.axes), length, dtype=np.float32)
    directions = replace(kept.directions, centre=neighbours.mean(axis=0), axes=axes)
    replace(kept, neighbours=replace(kept.neighbours, embeddings=neighbours), directions=directions).save(file)
