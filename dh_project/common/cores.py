"""The number of CPU cores that this process may use."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    Containers, batch systems and ``taskset`` often give a process fewer cores than the machine has. The result is the
    smaller of the CPU affinity mask and the cgroup CPU quota (version 1 or 2). A quota of 1.5 cores counts as 2.

    Example:
        >>> from dh_project.common.cores import available_cores
        >>> available_cores() >= 1
        True
    """
    has_affinity = hasattr(os, "sched_getaffinity")  # macOS has none
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = cgroup_quota(CGROUPS, OWN_CGROUPS)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cgroup_quota(cgroups: Path, own: Path) -> float | None:
    """Return the CPU quota of this process's control groups in cores, or None if there is no limit.

    A group is also limited by the groups above it, so the smallest quota on the path to the root counts. Inside a
    container the path may be the host's, which does not exist there; the mounted root is then the container's group.

    Args:
        cgroups: The mounted control groups, ``/sys/fs/cgroup``.
        own: The file that names the groups of this process, ``/proc/self/cgroup``.
    """
    quotas = []
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)  # version 2 names no controllers
            if controllers and "cpu" not in controllers.split(","):
                continue
            group = PurePosixPath(path.strip("/"))
            for home in (cgroups / controllers, cgroups / "cpu", cgroups / "unified"):
                quotas += [_quota_of(home / each) for each in (group, *group.parents)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_of(folder: Path) -> float | None:
    """Return the quota of one control group in cores; None if it has none or its files cannot be read."""
    with suppress(OSError, ValueError):
        if (limit := folder / "cpu.max").exists():  # version 2: "150000 100000", or "max 100000"
            quota, period = limit.read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        microseconds = int((folder / "cpu.cfs_quota_us").read_text())  # version 1: -1 if there is no limit
        if microseconds > 0:
            return microseconds / int((folder / "cpu.cfs_period_us").read_text())
    return None
