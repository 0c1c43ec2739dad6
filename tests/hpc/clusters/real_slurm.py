"""A real Slurm for the tests: munged, slurmctld and slurmd on loopback, with a folder and ports of their own.

Debian's packages ``slurm-wlm`` and ``munge`` have the programs. The configuration of the system is not used, and root
is not needed, because the user submits only its own jobs.
"""

import os
import shutil
import socket
import subprocess
import time
from getpass import getuser
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol")
PARTITION = "batch"
SECONDS_TO_START, SECONDS_TO_END = 60.0, 40.0

CONFIGURATION = """\
ClusterName=test
FirstJobId={first_job}
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmi2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=300
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=60 State=UP
"""


def missing_programs():
    """Return the programs of Slurm and munge that are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]


def search_path():
    """Return a PATH with the folders of the daemons, which a user's PATH may lack."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class RealSlurm:
    """A Slurm of one node.

    Args:
        folder: An empty folder whose path is short, for sockets.
        cores: Number of cores in Slurm's configuration of the node.
    """

    def __init__(self, folder: Path, cores: int) -> None:
        self.folder, self.cores = folder, cores
        self.host = socket.gethostname().partition(".")[0]
        self.configuration = folder / "slurm.conf"
        self._daemons: list[subprocess.Popen] = []

    def start(self):
        """Start the daemons, and wait until the node is idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=self.host,
                user=getuser(),
                ports=_free_ports(2),
                cores=self.cores,
                partition=PARTITION,
                # MPICH names shared memory after the job id: a job of another Slurm may have left some behind
                first_job=os.getpid(),
            )
        )
        munge = {name: self.folder / f"munge.{name}" for name in ("socket", "pid", "log", "seed")}
        self._daemon(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={munge['socket']}",
            f"--pid-file={munge['pid']}",
            f"--log-file={munge['log']}",
            f"--seed-file={munge['seed']}",
        )
        self._wait(munge["socket"].exists, "munged's socket")
        self._daemon("slurmctld", "-D", "-f", self.configuration)
        self._daemon("slurmd", "-D", "-N", self.host, "-f", self.configuration)
        self._wait(lambda: self.ask("sinfo", "-h", "-o", "%t") == "idle", "an idle node")

    def environment(self):
        """Return the variables with which a command reaches this Slurm."""
        return {"SLURM_CONF": str(self.configuration)}

    def ask(self, *words):
        """Return the output of a Slurm command; empty if it fails."""
        return subprocess.run(
            words, env=os.environ | self.environment(), capture_output=True, text=True, check=False
        ).stdout.strip()

    def jobs(self):
        """Return the state of each job that Slurm knows, including ended ones, by its id."""
        said = self.ask("squeue", "--noheader", "--states=all", "--format=%i %T")
        return dict(line.split() for line in said.splitlines())

    def stop(self):
        """End all jobs and daemons."""
        self.ask("scancel", "--user", getuser())
        limit = time.monotonic() + SECONDS_TO_END
        while self.ask("squeue", "--noheader") and time.monotonic() < limit:
            time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _daemon(self, name, *words):
        program = shutil.which(name, path=search_path())
        with (self.folder / f"{name}.out").open("wb") as out:
            self._daemons.append(
                subprocess.Popen(
                    [program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _wait(self, condition, what):
        ends = time.monotonic() + SECONDS_TO_START
        while not condition():
            ended = [daemon.args[0] for daemon in self._daemons if daemon.poll() is not None]
            assert not ended, f"{ended} ended; see {self.folder}: {self._said()}"
            assert time.monotonic() < ends, f"not within {SECONDS_TO_START:g} s: {what}: {self._said()}"
            time.sleep(0.1)

    def _said(self):
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(f"{file.name}: {file.read_text(errors='replace')[-500:]}" for file in files)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
