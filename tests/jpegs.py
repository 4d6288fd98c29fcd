"""JPEGs that no library writes: colours sampled in any way, stray bytes before restart markers, scans by colour."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from dandelion.domain.arrays import Pixels

Sampling = Sequence[tuple[int, int]]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, (at % 8, at // 8)[(at // 8 + at % 8) % 2]))
_END_OF_BLOCK, _SIXTEEN_ZEROS = 0x00, 0xF0
_ANGLES = (2 * np.arange(8) + 1) * np.arange(8)[:, np.newaxis] * np.pi / 16
_DCT = np.cos(_ANGLES) / 2 * np.where(np.arange(8) == 0, np.sqrt(0.5), 1)[:, np.newaxis]


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and bytes of each segment before the first scan's data, which come last as marker 0."""
    found: list[tuple[int, bytes]] = []
    at = 2
    while not found or found[-1][0] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at:end]))
        at = end
    return [*found, (0, data[at:])]


def write_jpeg(
    planes: Sequence[Pixels],
    sampling: Sampling,
    *,
    interval: int = 0,
    stray: bytes = b"",
    by_colour: bool = False,
    first: bytes = b"",
) -> bytes:
    """A baseline JPEG.

    Args:
        planes: Of each colour, uint8 [H, W], all of full size.
        sampling: Of each colour, its samples across and down.
        interval: Units between restart markers; 0 for none.
        stray: Bytes before each restart marker.
        by_colour: Each colour in a scan of its own.
        first: Segments before all others.
    """
    tables = _Tables()
    height, width = planes[0].shape
    across, down = max(h for h, _ in sampling), max(v for _, v in sampling)
    rows, columns = -(-height // (8 * down)), -(-width // (8 * across))
    coefficients = [
        _coefficients(
            _shrink(plane, (rows * down * 8, columns * across * 8), across // h, down // v), tables.quant[n > 0]
        )
        if across % h == 0 and down % v == 0
        else _coefficients(_resize(plane, rows * v * 8, columns * h * 8, across / h, down / v), tables.quant[n > 0])
        for n, (plane, (h, v)) in enumerate(zip(planes, sampling, strict=True))
    ]
    colours = b"".join(bytes([n + 1, h << 4 | v, n > 0]) for n, (h, v) in enumerate(sampling))
    parts = [b"\xff\xd8", first, *tables.quant_segments]
    parts.append(segment(0xC0, struct.pack(">BHHB", 8, height, width, len(planes)) + colours))
    parts += tables.huffman_segments
    if interval:
        parts.append(segment(0xDD, struct.pack(">H", interval)))
    scans = [[n] for n in range(len(planes))] if by_colour else [list(range(len(planes)))]
    for scan in scans:
        described = b"".join(bytes([n + 1, 0x11 if n else 0]) for n in scan)
        parts.append(segment(0xDA, bytes([len(scan)]) + described + b"\x00\x3f\x00"))
        if len(scan) == 1:
            (h, v), blocks = sampling[scan[0]], coefficients[scan[0]]
            used, wide = math.ceil(height * v / down / 8), math.ceil(width * h / across / 8)
            units = [[(scan[0], blocks[row, column])] for row in range(used) for column in range(wide)]
        else:
            units = [
                [
                    (n, coefficients[n][row * sampling[n][1] + y, column * sampling[n][0] + x])
                    for n in scan
                    for y in range(sampling[n][1])
                    for x in range(sampling[n][0])
                ]
                for row in range(rows)
                for column in range(columns)
            ]
        parts.append(_encode(units, tables, interval, stray))
    return b"".join([*parts, b"\xff\xd9"])


def split_planes(image: Image.Image, mode: str) -> list[Pixels]:
    return [np.asarray(band) for band in image.convert(mode).split()]


class _Tables:
    """The quantisation and Huffman tables of the standard, from a JPEG of Pillow's."""

    def __init__(self) -> None:
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=95)
        parts = segments(stream.getvalue())
        self.quant_segments = [part for marker, part in parts if marker == 0xDB]
        self.huffman_segments = [part for marker, part in parts if marker == 0xC4]
        self.quant: dict[int, Floats] = {}
        self.codes: dict[int, dict[int, str]] = {}
        joined = b"".join(part[4:] for part in self.quant_segments)
        for at in range(0, len(joined), 65):
            values = np.zeros(64)
            values[_ZIGZAG] = list(joined[at + 1 : at + 65])
            self.quant[joined[at]] = values.reshape(8, 8)
        joined, at = b"".join(part[4:] for part in self.huffman_segments), 0
        while at < len(joined):
            counts, code, symbols = joined[at + 1 : at + 17], 0, iter(joined[at + 17 :])
            table = {}
            for length, count in enumerate(counts, 1):
                for _ in range(count):
                    table[next(symbols)] = f"{code:0{length}b}"
                    code += 1
                code <<= 1
            self.codes[joined[at]] = table
            at += 17 + sum(counts)


def _shrink(plane: Pixels, size: tuple[int, int], across: int, down: int) -> Floats:
    padded = np.pad(plane, [(0, size[0] - plane.shape[0]), (0, size[1] - plane.shape[1])], mode="edge").astype(float)
    parts = padded.reshape(size[0] // down, down, size[1] // across, across)
    return np.asarray(parts.mean(axis=(1, 3)), dtype=np.float64)


def _resize(plane: Pixels, rows: int, columns: int, across: float, down: float) -> Floats:
    wanted = math.ceil(rows * down), math.ceil(columns * across)
    padding = [(0, max(0, most - side)) for most, side in zip(wanted, plane.shape, strict=True)]
    image = Image.fromarray(np.pad(plane, padding, mode="edge").astype(np.float32))
    box = (0, 0, columns * across, rows * down)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX, box), dtype=np.float64)


def _coefficients(plane: Floats, quant: Floats) -> Integers:
    blocks = (plane - 128).reshape(plane.shape[0] // 8, 8, plane.shape[1] // 8, 8).swapaxes(1, 2)
    quantised = np.rint(_DCT @ blocks @ _DCT.T / quant).astype(np.int64)
    return quantised.reshape(*quantised.shape[:2], 64)[..., _ZIGZAG]


def _encode(units: list[list[tuple[int, Integers]]], tables: _Tables, interval: int, stray: bytes) -> bytes:
    parts: list[bytes] = []
    bits: list[str] = []
    before: dict[int, int] = {}
    for number, unit in enumerate(units):
        if interval and number and number % interval == 0:
            parts += [_pack(bits), stray, bytes([0xFF, 0xD0 + (number // interval - 1) % 8])]
            bits, before = [], {}
        for n, block in unit:
            means, details = tables.codes[n > 0], tables.codes[0x10 | (n > 0)]
            _append(bits, means, 0, int(block[0]) - before.get(n, 0))
            before[n] = int(block[0])
            zeros = 0
            for value in block[1 : max(np.flatnonzero(block), default=0) + 1].tolist():
                if not value:
                    zeros += 1
                    continue
                bits += [details[_SIXTEEN_ZEROS]] * (zeros // 16)
                _append(bits, details, zeros % 16, value)
                zeros = 0
            if not block[63]:
                bits.append(details[_END_OF_BLOCK])
    return b"".join([*parts, _pack(bits)])


def _append(bits: list[str], codes: dict[int, str], zeros: int, value: int) -> None:
    size = abs(value).bit_length()
    bits.append(codes[zeros << 4 | size])
    if size:
        bits.append(f"{value if value > 0 else value + (1 << size) - 1:0{size}b}")


def _pack(bits: list[str]) -> bytes:
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    return int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00") if joined else b""
