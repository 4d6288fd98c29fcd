"""Seal and open model packages; a package that fails its checksums is never opened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dandelion.errors import PackageError
from dandelion.package.manifest import Manifest
from dandelion.package.reference import Reference

MANIFEST = "model.json"
WEIGHTS = "model.safetensors"
CARD = "MODEL_CARD.md"
METRICS = "metrics.json"
REFERENCE = "reference.npz"
CHECKSUMS = "sha256sums"
GRAPHS = {"float32": "openvino/model.xml", "int8": "openvino/int8.xml"}

_REMEDY = "Download or export the package again."


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """An opened package, verified.

    Its digest is the SHA-256 of its `sha256sums`, hexadecimal; equal digests mean equal packages.
    """

    path: Path
    manifest: Manifest
    digest: str

    def graph(self, precision: str) -> Path:
        """The OpenVINO graph of that precision, `float32` or `int8`.

        Raises:
            PackageError: The package has no such graph.
        """
        if precision not in self.manifest.precisions:
            raise PackageError(
                f"The package {self.path} has no {precision} graph, only {', '.join(self.manifest.precisions)}.",
                "Set DANDELION_INFERENCE__PRECISION=auto.",
            )
        return self.path / GRAPHS[precision]

    @property
    def weights(self) -> Path:
        """The torch weights, safetensors."""
        return self.path / WEIGHTS

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.path / CARD).read_text(encoding="utf-8")

    def metrics(self) -> dict[str, float]:
        """Metrics on the test split."""
        return {str(k): float(v) for k, v in json.loads((self.path / METRICS).read_text(encoding="utf-8")).items()}

    def reference(self) -> Reference:
        """The statistics that outliers and drift are measured against.

        Raises:
            PackageError: Another version of Dandelion wrote them.
        """
        try:
            return Reference.load(self.path / REFERENCE)
        except (KeyError, ValueError, OSError) as error:
            raise PackageError(
                f"{self.path / REFERENCE} cannot be read ({error}).",
                "Train or export the model again with this version of Dandelion.",
            ) from error


def seal_package(path: Path) -> str:
    """Write the checksums of every file in the folder `path` and return the package's digest."""
    lines = [f"{_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path)]
    (path / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    return digest_of(path)


def digest_of(path: Path) -> str:
    """The digest of the sealed package at `path`, without verifying its files."""
    return _sha256(path / CHECKSUMS)


def open_package(path: Path) -> ModelPackage:
    """Verify the package at `path` file by file and open it.

    Raises:
        PackageError: A file is missing, added, altered or cannot be read, or the manifest is not one of this version.
    """
    try:
        _verify(path)
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        return ModelPackage(path, manifest, digest_of(path))
    except OSError as error:
        raise PackageError(f"The package {path} cannot be read ({error}).", _REMEDY) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PackageError(
            f"{path / MANIFEST} is not a manifest of this version: {where}: {first['msg']}.",
            "Export the model again with this version of Dandelion.",
        ) from error


def _verify(path: Path) -> None:
    try:
        text = (path / CHECKSUMS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise PackageError(f"{path} is not a model package: {CHECKSUMS} cannot be read ({reason}).", _REMEDY) from error
    lines = (line.partition("  ") for line in text.splitlines())
    expected = {name: digest for digest, _, name in lines}
    present = {file.relative_to(path).as_posix(): file for file in _files(path)}
    if missing := sorted(({MANIFEST} | expected.keys()) - present.keys()):
        raise PackageError(f"The package {path} lacks {', '.join(missing)}.", _REMEDY)
    if added := sorted(present.keys() - expected.keys()):
        raise PackageError(f"The package {path} holds files without a checksum: {', '.join(added)}.", _REMEDY)
    for name, file in present.items():
        if _sha256(file) != expected[name]:
            raise PackageError(f"{name} of the package {path} does not match its checksum.", _REMEDY)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != CHECKSUMS)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
