"""Colour profiles (ICC) that no library writes: wide RGB, grey of any gamma, and inks."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Point = Sequence[float]

# Columns of red, green and blue in XYZ under D50, as the profiles of these names hold them.
WIDE = {
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "ProPhoto": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    "Rec 2020": ((0.67348, 0.27904, -0.00194), (0.16566, 0.67535, 0.02999), (0.12505, 0.04561, 0.79686)),
}
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(
    columns: Sequence[Point], gamma: float = 2.2, *, padding: int = 0, added: Mapping[bytes, bytes] | None = None
) -> bytes:
    tags = {b"wtpt": _xyz(_D50), **{kind + b"TRC": _curve(gamma) for kind in (b"r", b"g", b"b")}}
    tags |= {kind + b"XYZ": _xyz(point) for kind, point in zip((b"r", b"g", b"b"), columns, strict=True)}
    if padding:
        tags[b"priv"] = b"data" + bytes(padding)
    tags |= added or {}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def elements(count: int) -> bytes:
    """A tag's list of elements, which all are the same: a table of eight colours."""
    table = b"clut" + bytes(4) + struct.pack(">HH", 3, 3) + bytes([2] * 3 + [0] * 13)
    table += b"".join(struct.pack(">3f", at >> 2, at >> 1 & 1, at & 1) for at in range(8))
    places = struct.pack(">II", 16 + 8 * count, len(table)) * count
    return b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, count) + places + table


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _curve(gamma)})


def ink_profile() -> bytes:
    """Of four inks: black, and a paper on which the three others swap their colours."""
    corners = bytearray()
    for inks in range(16):
        cyan, magenta, yellow, black = (inks >> bit & 1 for bit in (3, 2, 1, 0))
        light = (1 - 0.3 * cyan) * (1 - 0.4 * magenta) * (1 - 0.1 * yellow) * (1 - black)
        # CIELAB in 8 bits: lightness, and the two opponent colours around 128.
        corners += bytes(
            [
                round(255 * light),
                128 + (60 * yellow - 40 * cyan) * (1 - black),
                128 + 50 * (magenta - cyan) * (1 - black),
            ]
        )
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (at % 4 == 0) for at in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(corners) + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table})


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _description(b"made"), b"cprt": b"text" + bytes(4) + b"none\0", **tags}
    entries, body = b"", b""
    for kind, content in tags.items():
        entries += kind + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 132 + len(entries) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, device, space, connection)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_D50)[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body


def _description(text: bytes) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)


def _xyz(point: Point) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in point))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma))
