"""Classes that Balsam's settings name for a site on this machine: its node, its launch commands, its scheduler."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil
from balsam.platform.app_run import LocalAppRun, MPICHRun
from balsam.platform.compute_node import DefaultNode
from balsam.platform.scheduler import LocalProcessScheduler
from balsam.schemas import SchedulerJobStatus
from balsam.site.launcher import serial_mode
from dh_project_cores import available_cores
from dh_project_gpus import gpus_named_by

HOST = "localhost"
"""Name of the machine for Balsam and MPI; the resolver may not know its real name."""

SERIAL_MODE = Path(serial_mode.__file__)

SOCKET_VARIABLE = "DH_PROJECT_SERIAL_MODE_SOCKET"
"""Variable that holds the socket file through which master and worker of serial mode speak."""

LONGEST_FOLDER = 60
"""Longest path of a folder that can hold the folder of a socket file."""

COMMAND = ("bash",)
SCRIPT = "qlaunch"
"""Prefix of the names of batch scripts."""

PATIENCE = 20.0
"""Seconds that a batch job has to end after a SIGTERM."""


def gpus() -> list[int | str]:
    """Return the GPUs as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return list(gpus_named_by(named))
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
        count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    else:
        count = len([device for device in Path("/dev").glob("nvidia[0-9]*") if device.name[6:].isdigit()])
    return list(range(count))


class LocalNode(DefaultNode):
    """This machine, with one extra core for the driver of a search, which mostly sleeps."""

    cpu_ids: ClassVar[list[int]] = list(range(available_cores() + 1))
    gpu_ids: ClassVar[list[int | str]] = gpus()

    @classmethod
    def get_job_nodelist(cls) -> list[LocalNode]:
        """Return this machine as the only node."""
        return [cls(HOST, HOST)]


class LocalRun(LocalAppRun):
    """A job of serial mode; the operating system chooses its cores."""

    def _pre_popen(self) -> None:
        pass

    def _post_popen(self) -> None:
        pass


class LocalMPIRun(MPICHRun):
    """A job of mpi mode, with the MPI of this environment. It inherits its variables; they are not options."""

    def _build_cmdline(self) -> str:
        if self._is_serial_mode():
            ours = Path(__file__).with_name("dh_project_serial_mode.py")
            return str(self._cmdline).replace(str(SERIAL_MODE), str(ours))
        mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
        words = [
            mpiexec,
            "-launcher",
            "fork",
            "-n",
            self.get_num_ranks(),
            "--ppn",
            self._ranks_per_node,
            "--hosts",
            HOST,
        ]
        return f"{shlex.join(map(str, words))} {self._cmdline}"

    def _set_envs(self) -> None:
        super()._set_envs()
        if self._is_serial_mode():
            self._envs[SOCKET_VARIABLE] = f"{_short_folder()}/master"

    def _is_serial_mode(self) -> bool:
        """Return whether this starts serial mode itself: one process on this machine, which needs no MPI.

        Balsam's serial mode listens on a network port that is the same for all launchers; ours on a socket file.
        """
        return str(SERIAL_MODE) in self._cmdline


class LocalScheduler(LocalProcessScheduler):
    """Batch jobs as processes of this machine, distinguished from the user's other processes."""

    _told: ClassVar[dict[int, float]] = {}

    @classmethod
    def submit(cls, script_path: str | Path, *_: Any, **__: Any) -> int:
        """Start a script, and return its pid."""
        script = Path(script_path).resolve()
        with script.with_suffix(".output").open("wb") as output:
            started = subprocess.Popen(
                [*COMMAND, str(script)],
                cwd=script.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        cls._subprocesses.append(started)
        return started.pid

    @classmethod
    def get_statuses(cls, *_: Any, **__: Any) -> dict[int, SchedulerJobStatus]:
        """Return the running batch jobs."""
        cls._subprocesses = [started for started in cls._subprocesses if started.poll() is None]
        running = {
            process.pid: SchedulerJobStatus(
                scheduler_id=process.pid,
                state="running",
                queue="local",
                num_nodes=1,
                wall_time_min=0,
                project="local",
                time_remaining_min=0,
                queued_time_min=0,
            )
            for process in psutil.process_iter(["name", "username"])
            if process.info["name"] == "bash" and process.info["username"] == getpass.getuser()
            if _is_batch_job(process)
        }
        cls._told = {number: when for number, when in cls._told.items() if number in running}
        return running

    @classmethod
    def delete_job(cls, scheduler_id: int) -> str:
        """Ask a batch job to end, and kill its remaining processes some cycles later, without waiting."""
        told = cls._told.setdefault(scheduler_id, time.monotonic())
        with suppress(psutil.Error):
            script = psutil.Process(scheduler_id)
            if _is_batch_job(script) and time.monotonic() - told < PATIENCE:
                script.terminate()  # the script ends its launcher, which ends its jobs
            elif _is_batch_job(script):
                for process in [*script.children(recursive=True), script]:
                    with suppress(psutil.Error):
                        process.kill()
        return str(scheduler_id)


def _short_folder() -> str:
    """Return a new folder with a short path, for a socket file."""
    folder = None if len(tempfile.gettempdir()) < LONGEST_FOLDER else "/tmp"
    return tempfile.mkdtemp(prefix="dh_project_", dir=folder)


def _is_batch_job(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return len(words) == len(COMMAND) + 1 and Path(words[-1]).name.startswith(SCRIPT)
