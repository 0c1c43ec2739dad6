"""The schedulers that batch jobs are submitted to, each through its own commands: PBS and Slurm.

If a command refuses, the user gets its reason in one line. If a command does not answer, it may have done its work
all the same; the line then says how to look.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from getpass import getuser
from pathlib import Path

from dh_project.common.errors import UserError, one_line

PATIENCE_SECONDS = 60.0
"""Time limit of a scheduler's command. A busy scheduler takes some seconds."""


class Scheduler(ABC):
    """The commands of one scheduler.

    Args:
        site: Name of the site, for messages.

    Attributes:
        submit_command: The program that takes a script.
        list_command: The program that shows the queue.
        remove_command: The program that takes jobs out of it.
        job_variable: The environment variable that tells a running job its own id.
    """

    submit_command: str
    list_command: str
    remove_command: str
    job_variable: str

    def __init__(self, site: str) -> None:
        self.site = site

    def check_is_here(self) -> None:
        """Check that the commands are on this machine, before anything is written.

        Raises:
            UserError: A command is missing.
        """
        for command in (self.submit_command, self.list_command):
            if shutil.which(command) is None:
                raise self._not_here(command)

    def submit(self, script: Path, after: str | None = None) -> str:
        """Submit a script from its folder, so that the scheduler writes the job's output there.

        Args:
            script: A whole job script.
            after: A job that must end first, however it ends.

        Returns:
            The job's id.

        Raises:
            UserError: The command is missing, refuses, does not answer, or prints no job id.
        """
        said = self._call(self.command_line(script, after), folder=script.parent)
        job = self._job_in(said)
        if not job:
            raise UserError(
                f"{self.submit_command}: took {script} and printed no job id; look for it with {self.list_command}"
            )
        return job

    def remove(self, jobs: Sequence[str]) -> None:
        """Take jobs out of the queue; a job that has ended already is not an error.

        Raises:
            UserError: The command refuses.
        """
        self._call([self.remove_command, *jobs])

    def ahead(self, jobs: Iterable[str]) -> list[str]:
        """Return those of the jobs that wait or run.

        Raises:
            UserError: The scheduler does not answer.
        """
        return list(self.states(jobs))

    @abstractmethod
    def states(self, jobs: Iterable[str]) -> dict[str, str]:
        """Return the state of each job that waits or runs, in the scheduler's words; other jobs are left out.

        Raises:
            UserError: The scheduler does not answer.
        """

    def command_line(self, script: Path, after: str | None = None) -> list[str]:
        """Return the command that submits a script.

        Args:
            script: A whole job script.
            after: A job that must end first, however it ends.
        """
        return [self.submit_command, *self._submit_words(after), str(script.absolute())]

    @abstractmethod
    def _submit_words(self, after: str | None) -> list[str]:
        """Return the words between the command and the script."""

    @abstractmethod
    def _job_in(self, said: str) -> str:
        """Return the job's id in the output of the submitting command, or an empty string."""

    def _call(self, words: list[str], folder: Path | None = None) -> str:
        """Run a command of the scheduler and return its output."""
        command = words[0]
        try:
            done = subprocess.run(
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise self._not_here(command) from None
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{command}: no answer within {PATIENCE_SECONDS:g} s; it may have worked all the same: look with "
                f"{self.list_command} before you try again"
            ) from None
        if done.returncode:
            lines = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
            said = one_line(lines[0]) if lines else f"exit status {done.returncode}, without a message"
            raise UserError(f"{command}: {said.removeprefix(f'{command}: ')}")
        return done.stdout

    def _not_here(self, command: str) -> UserError:
        return UserError(
            f"{command}: not on this machine; submit from a login node of {self.site}, or print the script with "
            f"--dry-run"
        )


PBS_STATES = {
    **{"Q": "queued", "H": "held", "W": "waiting", "T": "moving"},
    **{"R": "running", "E": "exiting", "S": "suspended", "B": "array running"},
}
"""Words for the letters of ``qstat``."""


class PBS(Scheduler):
    """PBS Professional and OpenPBS."""

    submit_command, list_command, remove_command = "qsub", "qstat", "qdel"
    job_variable = "PBS_JOBID"

    def states(self, jobs: Iterable[str]) -> dict[str, str]:
        """Return the states that ``qstat -u`` lists. It cuts long ids short, but their numbers are whole."""
        said = self._call([self.list_command, "-u", getuser()])
        listed = {
            found[0]: _pbs_state(line) for line in said.splitlines() if (found := re.match(r"\d+", line))
        }
        return {job: listed[number] for job in jobs if (number := job.partition(".")[0]) in listed}

    def _submit_words(self, after: str | None) -> list[str]:
        return ["-W", f"depend=afterany:{after}"] if after else []

    def _job_in(self, said: str) -> str:
        last = said.split()[-1:]  # hooks of a site may print lines before the id
        return last[0] if last and last[0][0].isdigit() else ""


class Slurm(Scheduler):
    """Slurm."""

    submit_command, list_command, remove_command = "sbatch", "squeue", "scancel"
    job_variable = "SLURM_JOB_ID"

    def states(self, jobs: Iterable[str]) -> dict[str, str]:
        """Return the states that ``squeue`` lists."""
        said = self._call([self.list_command, "--noheader", "--user", getuser(), "--format", "%i %T"])
        listed = {words[0]: words[-1].lower() for line in said.splitlines() if (words := line.split())}
        return {job: listed[job] for job in jobs if job in listed}

    def _submit_words(self, after: str | None) -> list[str]:
        return ["--parsable", *([f"--dependency=afterany:{after}"] if after else [])]

    def _job_in(self, said: str) -> str:
        words = said.split()
        job = (
            words[-1].partition(";")[0] if words else ""
        )  # sbatch adds a cluster's name if there are several
        return job if job.isdigit() else ""


def _pbs_state(line: str) -> str:
    """Return the state in a line of ``qstat -u``, whose last two columns are its letter and the elapsed time."""
    letter = line.split()[-2:][0]
    return PBS_STATES.get(letter, letter)


SCHEDULERS: dict[str, type[Scheduler]] = {"pbs": PBS, "slurm": Slurm}


def scheduler_of(name: str, site: str) -> Scheduler:
    """Return the scheduler of a site.

    Raises:
        UserError: This package cannot submit to that scheduler.
    """
    if name not in SCHEDULERS:
        raise UserError(
            f"{site}: nothing can be submitted to its scheduler {name}; --dry-run prints the script all the same"
        )
    return SCHEDULERS[name](site)
