"""Images on their way from the builder to the node: a folder in the layout of the Open Container Initiative.

An archive holds all of an image each time; from here only those layers travel that the node has not got.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tests.cluster.namespace import quick

NAMED = "org.opencontainers.image.ref.name"


class Layout:
    """Images that were built, each once, with the layers that they share.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, image: str, kind: str) -> None:
        """Hold an image in place of the last one of its kind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        quick("buildah", "push", "-q", image, f"oci:{self._folder}:{kind}")
        index = self._index()
        # What had this name before stays in the index, nameless.
        index["manifests"] = [each for each in index["manifests"] if NAMED in each.get("annotations", {})]
        (self._folder / "index.json").write_text(json.dumps(index))
        needed = {self._path(digest) for manifest in index["manifests"] for digest in self._digests(manifest)}
        for blob in (self._folder / "blobs" / "sha256").iterdir():
            if blob not in needed:
                blob.unlink()

    def write(self, kind: str, image: str, known: set[str], stream: IO[bytes]) -> int:
        """Write an archive of an image without the blobs that are known there; returns the bytes of what was not."""
        index = self._index()
        (manifest,) = (each for each in index["manifests"] if each["annotations"][NAMED] == kind)
        named = {**manifest, "annotations": {"io.containerd.image.name": image}}
        size_bytes = 0
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            _add(archive, "oci-layout", (self._folder / "oci-layout").read_bytes())
            _add(archive, "index.json", json.dumps({**index, "manifests": [named]}).encode())
            for digest in self._digests(manifest):
                if digest not in known:
                    path = self._path(digest)
                    archive.add(path, f"blobs/sha256/{path.name}")
                    size_bytes += path.stat().st_size
        return size_bytes

    def _index(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads((self._folder / "index.json").read_text())
        return index

    def _digests(self, manifest: dict[str, Any]) -> Iterator[str]:
        content = json.loads(self._path(manifest["digest"]).read_text())
        yield manifest["digest"]
        yield content["config"]["digest"]
        yield from (layer["digest"] for layer in content["layers"])

    def _path(self, digest: str) -> Path:
        return self._folder / "blobs" / Path(*digest.split(":"))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
