"""A copy of `src` with an interpreter that finds it before the installed product, whatever its environment.

`PYTHONPATH` alone is not enough: some tests start `python -m dandelion` with an environment of their own making.
"""

from __future__ import annotations

import shutil
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutations.faults import Fault


class Copy:
    """Where faults are put in; the working tree stays as it is.

    Args:
        root: The repository.
        folder: An empty folder for the copy.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.src = folder / "src"
        self.python = folder / "environment" / "bin" / "python"
        shutil.copytree(root / "src", self.src, ignore=shutil.ignore_patterns("__pycache__"))
        venv.create(folder / "environment", symlinks=True)
        (site,) = (folder / "environment").glob("lib/python*/site-packages")
        # The order of the lines is the order of the search; the product is installed in the last of them.
        libraries = sysconfig.get_path("purelib")
        (site / "copy.pth").write_text(f"{self.src}\nimport site; site.addsitedir({libraries!r})\n", encoding="utf-8")

    @contextmanager
    def holding(self, fault: Fault) -> Iterator[None]:
        """With the fault in it until the block ends."""
        path = self.src / fault.file
        right = path.read_bytes()
        try:
            _replace(path, fault.put_into(right))
            yield
        finally:
            _replace(path, right)


def _replace(path: Path, source: bytes) -> None:
    """Bytecode goes too: Python takes that of a file of the same size and second for its own."""
    path.write_bytes(source)
    for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        stale.unlink()
