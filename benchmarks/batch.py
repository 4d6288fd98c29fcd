"""`dandelion predict-batch` against the limit: decoding and batches of 8 in a loop, one process a core.

    python -m benchmarks.batch --photos 20000

The command is timed from start to end, its own loading and writing within; the two take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.limit import measure_limit
from benchmarks.photos import PHOTOS, make_photos
from benchmarks.report import processor
from dandelion.inference.cores import usable_cores
from dandelion.package.starter import starter_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10, help="length of each turn of the limit")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = make_photos(folder)[PHOTOS[0]]
        batch = folder / "batch"
        batch.mkdir()
        for number in range(options.photos):
            os.link(photo, batch / f"{number:06d}.jpg")
        limits, rates = [], []
        for turn in range(options.rounds):
            limits.append(measure_limit(starter_path(), photo, options.seconds, usable_cores()))
            rates.append(options.photos / seconds_of_batch(folder, batch, turn))
    limit, rate = statistics.median(limits), statistics.median(rates)
    print(f"{processor()}: {options.photos} thumbnails, {rate:.0f}/s, limit {limit:.0f}/s: {rate / limit:.2f} of it")


def seconds_of_batch(folder: Path, photos: Path, turn: int) -> float:
    argv = [sys.executable, "-m", "dandelion", "predict-batch", str(photos), "--out", str(folder / f"{turn}.parquet")]
    home = {"DANDELION_HOME": str(folder / f"home-{turn}"), "DANDELION_MODEL__PATH": str(starter_path())}
    started = time.monotonic()
    subprocess.run(argv, check=True, env={**os.environ, **home})
    return time.monotonic() - started


if __name__ == "__main__":
    main()
