"""What the model takes and gives, for clients that ask before they send."""

from __future__ import annotations

from typing import Any

import msgspec

from dandelion.api.v2.outputs import OUTPUTS, PROBABILITIES
from dandelion.api.v2.photos import IMAGE, PIXELS
from dandelion.inference.service import ServingModel

PLATFORM = "dandelion_package"
COMMON_EXTENSIONS = ["classification", "model_configuration", "statistics"]  # over REST and gRPC
_VARIABLE = -1


class TensorMetadata(msgspec.Struct):
    """A tensor that the model takes or gives; -1 is the number of photos."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """The serving model; of its inputs a request has one."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


def describe(serving: ServingModel) -> ModelMetadata:
    """The metadata of the serving model."""
    manifest = serving.classifier.manifest
    widths = {PROBABILITIES: [len(manifest.classes)], "embedding": [serving.classifier.embedding_size]}
    return ModelMetadata(
        name=serving.ref.name,
        versions=[serving.ref.version],
        platform=PLATFORM,
        inputs=[
            TensorMetadata(IMAGE, "BYTES", [_VARIABLE]),
            TensorMetadata(PIXELS, "UINT8", [_VARIABLE, manifest.input.height, manifest.input.width, 3]),
        ],
        outputs=[
            TensorMetadata(name, datatype, [_VARIABLE, *widths.get(name, [])])
            for name, (datatype, _) in OUTPUTS.items()
        ],
    )


def configure(serving: ServingModel) -> dict[str, Any]:
    """The same as a configuration of Triton's, with the classes in the order of `probabilities`."""
    metadata = describe(serving)
    return {
        "name": metadata.name,
        "platform": metadata.platform,
        "max_batch_size": 0,  # the first dimension is a part of the shapes
        "input": [{**_configure(each), "optional": True} for each in metadata.inputs],  # a request has one of them
        "output": [_configure(each) for each in metadata.outputs],
        "parameters": {"classes": {"string_value": msgspec.json.encode(serving.classifier.manifest.classes).decode()}},
    }


def _configure(tensor: TensorMetadata) -> dict[str, Any]:
    datatype = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{datatype}", "dims": tensor.shape}
