"""Turns the server's data about a search's jobs into events of its trials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dh_project.common.errors import one_line
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.models import BalsamJob, JobState
from dh_project.hpc.balsam.jobs.states import READINGS, WAITING
from dh_project.results.adoption import end_in, end_of
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event, Reported, Retried
from dh_project.trial.trial import State

OUTPUT = "job.out"
"""File in a job's folder with the output of the job."""

GRACE_SECONDS = 5.0
"""Time to wait for the result file if a job is over and its worker has reported no end."""


@dataclass
class Attempt:
    """A running or waiting attempt.

    Attributes:
        assignment: The attempt.
        folder: Folder of its job.
        job_id: Its job; None until the server has made one.
        batch_job_id: The batch job whose launcher took its job; None before.
        state: Its state.
        heard: Number of its reports that were passed on.
        over_since: Time at which its job was first seen to be over without a reported end; None otherwise.
        over: Why the job was over then.
    """

    assignment: Assignment
    folder: Path
    job_id: int | None = None
    batch_job_id: int | None = None
    state: State = State.WAITING
    heard: int = 0
    over_since: float | None = None
    over: str = ""


class Attempts:
    """The attempts of a search that wait or run as jobs, by trial."""

    def __init__(self) -> None:
        self._by_trial: dict[int, Attempt] = {}
        self._retries: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._by_trial.values()))

    def __len__(self) -> int:
        return len(self._by_trial)

    def get(self, trial: int) -> Attempt | None:
        """Return a trial's attempt, if it has one now."""
        return self._by_trial.get(trial)

    def add(self, attempt: Attempt) -> None:
        """Add an attempt."""
        self._by_trial[attempt.assignment.trial] = attempt

    def of(self, job: BalsamJob) -> Attempt | None:
        """Return the attempt that a job runs, if there is one. A duplicate of its job is not its job."""
        if job.tags.get(tags.KIND) != tags.TRIAL:
            return None
        number, attempt = key_of(job)
        found = self._by_trial.get(number)
        if found is None or found.assignment.attempt != attempt or found.job_id not in (None, job.id):
            return None
        return found

    def end(self, ended: Ended) -> list[Event]:
        """Remove an attempt and return its end; return nothing if it is over already."""
        found = self._by_trial.get(ended.trial)
        if found is None or found.assignment.attempt != ended.attempt:
            return []
        del self._by_trial[ended.trial]
        return [ended]

    def lose(self, attempt: Attempt, why: str) -> list[Event]:
        """End an attempt that will not report any more: by its result file if there is one, else as lost."""
        of = attempt.assignment
        end = end_in(Path(of.folder), of.trial, of.attempt, of.point, _worker(attempt))
        reason = why + last_words(attempt.folder)
        return self.end(
            end or Ended(of.trial, of.attempt, State.LOST, reason=reason, worker=_worker(attempt))
        )

    def lose_silent(self) -> list[Event]:
        """End the attempts whose jobs have been over for some time: such a job reports nothing more."""
        limit = time.monotonic() - GRACE_SECONDS
        silent = [each for each in self if each.over_since is not None and each.over_since < limit]
        return [event for attempt in silent for event in self.lose(attempt, attempt.over)]

    def read_results(self) -> list[Event]:
        """Return the ends in the result files of workers. This is used if the server does not answer."""
        events: list[Event] = []
        for attempt in list(self._by_trial.values()):
            of = attempt.assignment
            end = end_in(Path(of.folder), of.trial, of.attempt, of.point, _worker(attempt))
            events += self.end(end) if end else []
        return events

    def hear(self, job: BalsamJob) -> list[Event]:
        """Return the new events in a job's data."""
        if job.tags.get(tags.RETRY) and job.tags.get(tags.KIND) == tags.TRIAL:
            return self._retry(job)
        attempt = self.of(job)
        if attempt is None:
            return []
        attempt.job_id, attempt.batch_job_id = job.id, job.batch_job_id
        data, of = job.data or {}, attempt.assignment
        first = data.get("first", 0)
        reports = data.get("reports", [])[max(0, attempt.heard - first) :]
        attempt.heard = max(attempt.heard, first + len(data.get("reports", [])))
        events: list[Event] = [Reported(of.trial, of.attempt, step, objective) for step, objective in reports]
        if data.get("end"):
            return events + self.end(end_of(of.trial, of.attempt, data["end"], _worker(attempt, data["end"])))
        reading = READINGS[job.state]
        attempt.state = reading.state
        if reading.state is not State.LOST:
            attempt.over_since = None
        elif attempt.over_since is None:
            attempt.over_since = time.monotonic()
            attempt.over = f"{reading.reason} (Balsam job {job.id}: {job.state})"
        return events

    def _retry(self, job: BalsamJob) -> list[Event]:
        number, attempt = key_of(job)
        if number in self._by_trial or (number, attempt) in self._retries:
            return []
        self._retries.add((number, attempt))
        return [Retried(number, attempt)]


def is_alive(job: BalsamJob, finished: set[int]) -> bool:
    """Return whether a job has reported its end, or can still do so: its launcher is not known to be dead."""
    if (job.data or {}).get("end"):
        return True
    if job.state in WAITING:  # also if a dead launcher had taken it and not started it
        return True
    return job.state is JobState.RUNNING and job.batch_job_id not in finished


def last_words(folder: Path) -> str:
    """Return the last line that a job printed, as the end of a sentence; empty if it printed nothing."""
    try:
        lines = (folder / OUTPUT).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"; its last output: {one_line(lines[-1])[:200]}" if lines else ""


def key_of(job: BalsamJob) -> tuple[int, int]:
    """Return the numbers of a job's trial and attempt."""
    return int(job.tags[tags.NUMBER]), int(job.tags[tags.ATTEMPT])


def _worker(attempt: Attempt, end: dict[str, str] | None = None) -> str:
    """Return the name of an attempt's worker: host, process, and job."""
    return f"{(end or {}).get('worker') or 'balsam'} (Balsam job {attempt.job_id})"
