"""The torch network behind a package: a timm model with its normalisation, and all outputs of the graph.

Only training and the GPU engine import this module; serving on a CPU has no torch.
"""

from __future__ import annotations

import math
from typing import cast

import timm
import torch
from torch import Tensor, nn

from dandelion.domain import InputSpec


class Network(nn.Module):
    """A timm classifier from raw pixels to logits, embedding and class activation map.

    The mean and standard deviation of its input become part of the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, classifier: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.classifier = classifier
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B, K], embedding [B, D] and activation [B, K, h, w] of `pixels`, uint8 RGB [B, H, W, 3]."""
        features = self.features(pixels)
        logits, embedding = self.head(features)
        return logits, embedding, activation_map(self.classifier, features)

    def features(self, pixels: Tensor) -> Tensor:
        """The backbone's features of `pixels`, uint8 RGB [B, H, W, 3]."""
        return cast("Tensor", self.classifier.forward_features(self.normalise(pixels)))  # type: ignore[operator]

    def normalise(self, pixels: Tensor) -> Tensor:
        """The classifier's input, float32 [B, 3, H, W], of `pixels`, uint8 RGB [B, H, W, 3]."""
        return (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, K] and embedding [B, D] of the backbone's features."""
        embedding = self.classifier.forward_head(features, pre_logits=True)  # type: ignore[operator]
        return self.classifier.get_classifier()(embedding), embedding  # type: ignore[operator]


def activation_map(classifier: nn.Module, features: Tensor) -> Tensor:
    """Class activation map [B, K, h, w]: the head applied at each place as if the whole photo looked like it.

    For a head of average pooling and a linear layer, this is CAM (Zhou et al. 2016), whose mean over places is the
    logits. It also works for heads with layers in between.
    """
    head = classifier.forward_head
    width = int(classifier.num_features)  # type: ignore[arg-type]
    if features.ndim == 3:
        # Tokens. All tokens of a place are made equal, so that any pooling by the head returns that token.
        prefix = int(getattr(classifier, "num_prefix_tokens", 0))
        places = features[:, prefix:]
        side = math.isqrt(places.shape[1])
        tokens = places.reshape(-1, 1, width).expand(-1, prefix + 1, -1)
        logits = head(tokens)  # type: ignore[operator]
        return cast("Tensor", logits.reshape(-1, side, side, logits.shape[-1]).permute(0, 3, 1, 2))
    channels_last = features.shape[1] != width and features.shape[-1] == width
    places = features if channels_last else features.permute(0, 2, 3, 1)
    rows, columns = places.shape[1], places.shape[2]
    one_by_one = places.reshape(-1, 1, 1, width) if channels_last else places.reshape(-1, width, 1, 1)
    logits = head(one_by_one)  # type: ignore[operator]
    return cast("Tensor", logits.reshape(-1, rows, columns, logits.shape[-1]).permute(0, 3, 1, 2))


def create_network(architecture: str, classes: int, spec: InputSpec, weights: dict[str, Tensor]) -> Network:
    """The network of a package, ready for inference, on the CPU in float32."""
    classifier = timm.create_model(architecture, num_classes=classes)
    classifier.load_state_dict({name: value.float() for name, value in weights.items()})
    return Network(classifier, spec).eval()
