"""The number of cores that a process may use."""

import os
import subprocess
import sys

import pytest

from dh_project.common import cores
from dh_project.common.cores import available_cores, cgroup_quota


def groups(folder, own, files):
    """Write control groups into a folder; return the arguments of ``cgroup_quota``."""
    for path, text in files.items():
        (folder / "groups" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / path).write_text(text)
    (folder / "own").write_text(own)
    return folder / "groups", folder / "own"


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        (
            "0::/slice/job/step\n",
            {
                "slice/cpu.max": "800000 100000\n",
                "slice/job/cpu.max": "200000 100000\n",
                "slice/job/step/cpu.max": "max 100000\n",
            },
            2.0,
        ),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3.0),
        (
            "4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n",
            {
                "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "400000\n",
                "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("4:memory:/a\n", {"memory/a/cpu.max": "100000 100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("nonsense\n", {}, None),
        ("", {}, None),
    ],
    ids=[
        "version 2",
        "version 2 without a limit",
        "the smallest on the way to the root",
        "a container that sees the host's path",
        "version 1",
        "version 1 without a limit",
        "another controller",
        "a limit that cannot be read",
        "groups that cannot be read",
        "no groups",
    ],
)
def test_the_quota_of_a_control_group_is_read_in_cores(tmp_path, own, files, quota):
    assert cgroup_quota(*groups(tmp_path, own, files)) == quota


def test_a_system_without_control_groups_has_no_quota(tmp_path):
    assert cgroup_quota(tmp_path / "none", tmp_path / "neither") is None


@pytest.mark.parametrize(("quota", "count"), [("50000", 1), ("100000", 1), ("150000", 2), ("99900000", None)])
def test_a_quota_limits_the_cores(tmp_path, monkeypatch, quota, count):
    home, own = groups(tmp_path, "0::/\n", {"cpu.max": f"{quota} 100000\n"})
    monkeypatch.setattr(cores, "CGROUPS", home)
    monkeypatch.setattr(cores, "OWN_CGROUPS", own)
    allowed = range(8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(allowed))
    assert available_cores() == (count or len(allowed))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no affinity masks")
def test_an_affinity_mask_limits_the_cores():
    one = str(min(os.sched_getaffinity(0)))
    ask = "from dh_project.common.cores import available_cores; print(available_cores())"
    done = subprocess.run(
        ["taskset", "-c", one, sys.executable, "-c", ask], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
