"""The GPU engine: the package's torch weights on CUDA, or on the CPU if the settings name this engine."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import PackageError
from dandelion.inference.runtime import Output
from dandelion.package import ModelPackage
from dandelion.package.network import activation_map, create_network


class TorchRuntime:
    """A timm model, in bfloat16 on a GPU that supports it and in float32 elsewhere."""

    def __init__(self, package: ModelPackage) -> None:
        if not package.weights.exists():
            raise PackageError(
                f"The package {package.path} holds no torch weights.",
                "Set DANDELION_INFERENCE__RUNTIME=openvino, or train a model with `dandelion train`.",
            )
        manifest = package.manifest
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        on_gpu = self._device.type == "cuda"
        self._dtype = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
        self.precision = str(self._dtype).removeprefix("torch.")
        network = create_network(
            manifest.architecture, len(manifest.classes), manifest.input, load_file(package.weights)
        )
        self._network = network.to(self._device)

    @torch.inference_mode()
    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        with self._autocast():
            logits, embedding = self._network.head(self._network.features(self._tensor(batch)))
        return Output(logits.float().cpu().numpy(), embedding.float().cpu().numpy())

    @torch.inference_mode()
    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        with self._autocast():
            features = self._network.features(self._tensor(photo[None]))
            result: Floats = activation_map(self._network.classifier, features)[0].float().cpu().numpy()
        return result

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)

    def _tensor(self, batch: Pixels) -> torch.Tensor:
        return torch.from_numpy(batch).to(self._device)
