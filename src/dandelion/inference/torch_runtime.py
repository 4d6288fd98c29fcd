"""The GPU engine: the package's torch weights on CUDA, or on the CPU when asked for by name."""

from __future__ import annotations

import timm
import torch
from safetensors.torch import load_file

from dandelion.errors import PackageError
from dandelion.inference.runtime import Floats, Output, Pixels
from dandelion.package import ModelPackage


class TorchRuntime:
    """A timm model, normalisation included, in bfloat16 on a GPU that has it and in float32 elsewhere."""

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
        model = timm.create_model(manifest.architecture, num_classes=len(manifest.classes))
        model.load_state_dict({name: value.float() for name, value in load_file(package.weights).items()})
        self._model = model.eval().to(self._device, memory_format=torch.channels_last)
        self._mean = torch.tensor(manifest.input.mean, device=self._device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(manifest.input.std, device=self._device).view(1, 3, 1, 1) * 255

    @torch.inference_mode()
    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        with self._autocast():
            features = self._model.forward_features(self._normalise(batch))
            embedding = self._model.forward_head(features, pre_logits=True)
            logits = self._model.get_classifier()(embedding)
        return Output(logits.float().cpu().numpy(), embedding.float().cpu().numpy())

    @torch.inference_mode()
    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        from dandelion.training.export import activation_map

        with self._autocast():
            features = self._model.forward_features(self._normalise(photo[None]))
            result: Floats = activation_map(self._model, features)[0].float().cpu().numpy()
        return result

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)

    def _normalise(self, batch: Pixels) -> torch.Tensor:
        pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float()
        return (pixels - self._mean) / self._std
