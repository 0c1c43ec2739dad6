import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest
from filelock import SoftFileLease, Timeout

from dh_project.common.errors import UserError
from dh_project.common.file_lock import file_lock
from dh_project.results import driver_lock as lock
from dh_project.results.driver_lock import DriverLock
from dh_project.results.paths import SearchPaths


@pytest.fixture
def paths(tmp_path):
    return SearchPaths(tmp_path)


@pytest.fixture(params=["flock", "lease"])
def kind(request, monkeypatch):
    """Both kinds of lock; a file system without flock is pretended, for none is to be had here."""
    if request.param == "lease":
        monkeypatch.setattr(lock, "LEASE_SECONDS", 1.0)

        def refuse(*_):
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(fcntl, "flock", refuse)
    return request.param


@pytest.mark.usefixtures("kind")
def test_one_driver_at_a_time(paths):
    first = DriverLock(paths)
    program = (
        "import sys; from pathlib import Path; from dh_project.results.driver_lock import DriverLock; "
        "from dh_project.results.paths import SearchPaths; DriverLock(SearchPaths(Path(sys.argv[1])))"
    )
    if isinstance(first._lock, SoftFileLease):
        program = (
            "import errno, fcntl, dh_project.results.driver_lock\n"
            "def refuse(*_): raise OSError(errno.ENOSYS, '')\n"
            "fcntl.flock, dh_project.results.driver_lock.LEASE_SECONDS = refuse, 1.0\n" + program
        )
    second = subprocess.run(
        [sys.executable, "-c", program, str(paths.folder)], capture_output=True, text=True, check=False
    )
    assert "another search is running in this folder" in second.stderr
    first.check()
    first.release()
    DriverLock(paths).release()


@pytest.mark.usefixtures("kind")
def test_a_dead_driver_keeps_no_lock(paths):
    pid = os.fork()
    if pid == 0:
        DriverLock(paths)
        os._exit(9)
    os.waitpid(pid, 0)
    DriverLock(paths).release()


@pytest.mark.parametrize("kind", ["lease"], indirect=True)
def test_a_lease_that_was_taken_over_is_noticed(paths, kind):
    held = DriverLock(paths)
    paths.lease.unlink()
    limit = time.monotonic() + 10
    while held._lock.compromise is None and time.monotonic() < limit:
        time.sleep(0.05)
    with pytest.raises(UserError, match="took this search over"):
        held.check()


@pytest.mark.parametrize("kind", ["lease"], indirect=True)
def test_the_lease_of_a_driver_that_died_on_another_node_is_waited_for(paths, kind):
    pid = os.fork()
    if pid == 0:
        DriverLock(paths)
        os._exit(9)
    os.waitpid(pid, 0)
    owner = [
        "host=another-node" if line.startswith("host=") else line
        for line in paths.lease.read_text().splitlines()
    ]
    assert "host=another-node" in owner  # whose processes cannot be seen from here
    paths.lease.write_text("\n".join(owner) + "\n")
    began = time.monotonic()
    DriverLock(paths).release()
    assert time.monotonic() - began >= lock.LEASE_SECONDS


def test_a_folder_that_cannot_be_locked_for_another_reason_is_told(paths, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"):
        DriverLock(paths)
    assert not paths.lease.exists()


def test_a_file_lock_is_held_to_the_end_of_its_block_and_another_is_not_waited_for(tmp_path):
    path = tmp_path / "any.lock"
    with file_lock(path), pytest.raises(Timeout):
        file_lock(path, wait=False)
    with file_lock(path, wait=False) as held:
        assert held is not None


@pytest.mark.parametrize("number", lock.WITHOUT_FLOCK)
def test_on_a_file_system_without_locks_a_file_lock_holds_nothing(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with file_lock(tmp_path / "any.lock") as held:
        assert held is None
