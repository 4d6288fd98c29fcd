"""Memory that the C library's allocator returns to the machine."""

from __future__ import annotations

import contextlib
import ctypes

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# Pillow allocates large pictures in blocks of nearly 16 MiB.
_LARGE_BYTES = 15 * 2**20
# What an arena holds on to for the next photo: to return it and to get it again would double the time of a small PNG.
_SPARE_BYTES = 32 * 2**20
_ARENAS = 2  # glibc has eight for each processor, and every thread that decodes leaves pieces in one of its own


def limit_held_memory() -> None:
    """Return memory of large photos to the machine as soon as it is freed; does nothing without glibc.

    glibc does so only at first: the size from which it does grows to that of the largest block ever freed, up to
    32 MiB. Then pieces of large photos stay in the arena of each thread: after 10,000 mixed photos up to 64 megapixels
    a server held 640 MiB, and so holds 400.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        allocator.mallopt(_TRIM_THRESHOLD, _SPARE_BYTES)
        allocator.mallopt(_ARENA_MAX, _ARENAS)
