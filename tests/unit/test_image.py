"""What the images leave out of their libraries is used by none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import ROOT

IMPORTS = {
    "api": ("dandelion.cli.main", "dandelion.api.server", "dandelion.api.grpc.server", "dandelion.backup.backup"),
    "ui": ("dandelion.ui.server",),
    "worker": (
        "dandelion.retraining.train",
        "dandelion.retraining.run",
        "dandelion.flows.serve",
        "nncf",
        "scipy.linalg",
    ),
}
# Python finds no module below what is spared, as in an image.
WITHOUT = """
import importlib, sys
from importlib.machinery import PathFinder
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import install

place = next(Path(each) for each in sys.path if (Path(each) / "numpy").is_dir())
kept = {path for pattern in install.KEPT for path in place.glob(pattern)}
spared = {path for pattern in install.SPARED for path in place.glob(pattern)} - kept

class Image(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = super().find_spec(name, path, target)
        origin = found and found.origin and Path(found.origin)
        return None if origin and not spared.isdisjoint({origin, *origin.parents}) else found

sys.meta_path[sys.meta_path.index(PathFinder)] = Image
try:
    import litestar.testing
except ModuleNotFoundError:
    pass
else:
    sys.exit("Nothing is spared here.")
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


@pytest.mark.training
@pytest.mark.parametrize("image", IMPORTS)
def test_an_image_imports_what_it_runs(image: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, str(ROOT / "docker"), *IMPORTS[image]]
    found = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
