"""A model that is loaded for answering."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: the limit holds for all of it.
LOADED = """
from threadpoolctl import threadpool_info
from dandelion.inference.classifier import Classifier
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings
Classifier.load(open_package(starter_path()), InferenceSettings(), lanes=2)
print(*[each["num_threads"] for each in threadpool_info() if each["internal_api"] == "openblas"])
"""


def test_lanes_do_their_own_algebra() -> None:
    """Else OpenBLAS's threads spin beside lanes that have photos to decode."""
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    threads = said.stdout.split()
    assert threads
    assert set(threads) == {"1"}
