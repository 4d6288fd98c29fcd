"""JPEG: what lacks, pads or follows its end, and what is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dandelion.errors import NotAnImageError
from tests.corpus.sample import Sample, box, jpeg, pixels, plain


def ends(data: bytes) -> dict[str, bytes]:
    """What may follow the data of a JPEG's scan, which `data` ends with."""
    return {
        "nothing": data,
        "an end": data + b"\xff\xd9",
        "zeros": data + bytes(20_000),
        "zeros and an end": data + bytes(20_000) + b"\xff\xd9",
        "text": data + b"some other data, " * 1_000,
        "text and an end": data + b"some other data, " * 1_000 + b"\xff\xd9",
        "noise": data + np.random.default_rng(1).bytes(20_000),
        "noise and an end": data + np.random.default_rng(2).bytes(20_000) + b"\xff\xd9",
        "another photo": data + jpeg(plain().rotate(180)),
        "a film": data + box(b"ftyp", b"mp42") + box(b"mdat", bytes(range(256)) * 40),
    }


def samples() -> Iterator[Sample]:
    looks = pixels(plain())
    for name, data in {"": jpeg(), "progressive": jpeg(progressive=True)}.items():
        kind = f"JPEG {name}".strip()
        yield Sample(f"{kind} without its end", "", data[:-2], looks)
        yield Sample(f"{kind} without its end", "but zeros", data[:-2] + bytes(9_000), looks)
        yield Sample(f"{kind} without its end", "half of it", data[:-1], looks)
        yield Sample(f"{kind} without its end", "zeros before it", data[:-2] + bytes(9_000) + data[-2:], looks)
        yield Sample(f"{kind} without its end", "fill bytes", data[:-2] + b"\xff" * 99, looks)
        for what, followed in ends(data).items():
            yield Sample(f"{kind} followed by something", what, followed, looks)
        for part in (0.1, 0.5, 0.9, 0.98):
            for what, cut in ends(data[: int(part * len(data))]).items():
                if not (name and what == "a film"):
                    yield Sample(
                        f"{kind} that is cut off", f"{part:.0%}, {what}", cut, error=NotAnImageError, words="cut off"
                    )
    yield Sample("JPEG without its end", "but another photo", jpeg()[:-2] + jpeg(plain().rotate(180)), looks)
