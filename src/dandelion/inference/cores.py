"""The processor cores that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The number of cores this process may use: those of its affinity, or its cgroup's quota if that is less."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota_cores()))


def _quota_cores() -> int:
    for path in ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        try:
            with open(path, encoding="ascii") as stream:  # noqa: PTH123 -- read at every start, pathlib adds nothing
                fields = stream.read().split()
        except OSError:
            continue
        if len(fields) == 2 and fields[0] != "max":
            return max(1, round(int(fields[0]) / int(fields[1])))
        if len(fields) == 1 and int(fields[0]) > 0:
            return max(1, round(int(fields[0]) / 100_000))  # the kernel's default period, microseconds
    return os.cpu_count() or 1
