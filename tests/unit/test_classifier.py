"""A model that is loaded for answering."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

from PIL import Image
from structlog.testing import capture_logs

from dandelion.errors import NotAnImageError
from dandelion.imaging.prepare import Views
from dandelion.inference.classifier import Classification, Classifier
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings
from tests.photos import jpeg

HOSTILE = b"a photo"

# In a process of its own: the limit holds for all of it.
LOADED = """
from threadpoolctl import threadpool_info
from dandelion.inference.classifier import Classifier
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings
Classifier.load(open_package(starter_path()), InferenceSettings(), workers=2)
print(*[each["num_threads"] for each in threadpool_info() if each["internal_api"] == "openblas"])
"""

# Threads that change places after every instruction, all at their first photo.
TOGETHER = """
import sys, threading
import numpy as np
from dandelion.inference.engines import create_runtime
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings
package = open_package(starter_path())
size = package.manifest.input
runtime = create_runtime(package, InferenceSettings(runtime="openvino"), 8)
start, answers = threading.Barrier(8), []
def answer():
    start.wait()
    answers.append(runtime.run(np.zeros((1, size.height, size.width, 3), np.uint8)))
threads = [threading.Thread(target=answer) for _ in range(8)]
sys.setswitchinterval(1e-6)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(answers))
"""


def test_threads_may_ask_for_the_first_answer_together() -> None:
    """Every other process stood still before OpenVINO's tables were made at the import."""
    argv = [sys.executable, "-c", TOGETHER]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        assert [process.communicate(timeout=120)[0] for process in processes] == ["8\n"] * 4
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_workers_do_their_own_algebra() -> None:
    """Else OpenBLAS's threads spin beside workers that have photos to decode."""
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    threads = said.stdout.split()
    assert threads
    assert set(threads) == {"1"}


class Fragile(Classifier):
    """Breaks on `HOSTILE` as a decoder might."""

    def cut(self, photo: bytes, *, refuse_panorama: bool = False) -> Views:
        if photo == HOSTILE:
            raise OverflowError("cannot convert float infinity to integer")
        return super().cut(photo, refuse_panorama=refuse_panorama)


def test_a_photo_that_breaks_the_decoder_fails_alone() -> None:
    model = Fragile.load(open_package(starter_path()), InferenceSettings())
    with capture_logs() as logs:
        first, broken, last = model.classify([jpeg(), HOSTILE, jpeg()])
    assert isinstance(first, Classification)
    assert isinstance(last, Classification)
    assert isinstance(broken, NotAnImageError)
    assert [(line["event"], line["exc_info"], line["size_bytes"]) for line in logs] == [
        ("photo_failed", True, len(HOSTILE))
    ]


def test_a_photo_of_an_infinite_orientation_is_classified_with_the_others() -> None:
    stream = io.BytesIO()
    exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIfI", 8, 1, 0x0112, 11, 1, float("inf"), 0)
    Image.new("RGB", (64, 64), "red").save(stream, "PNG", exif=exif)
    photos = [
        jpeg(),
        jpeg()[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg()[2:],
        stream.getvalue(),
    ]
    model = Classifier.load(open_package(starter_path()), InferenceSettings())
    assert all(isinstance(answer, Classification) for answer in model.classify(photos))
