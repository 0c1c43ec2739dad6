"""From what the server says of a search's jobs to the events of its trials."""

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
"""What a job prints, in its folder."""

GRACE_SECONDS = 5.0
"""After a job is over without a word of its worker, for its file to be seen."""


@dataclass
class Attempt:
    """An attempt under way.

    Attributes:
        assignment: The attempt.
        folder: Where its job runs.
        job_id: Its job; None until the server has one.
        batch_job_id: The batch job whose launcher took it; None before.
        state: Where it stands.
        heard: How many of its reports were heard.
        over_since: When its job was first seen to be over without a word; None where it is not.
        over: How it was then.
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
    """The attempts of a search that are under way as jobs, by their trials."""

    def __init__(self) -> None:
        self._by_trial: dict[int, Attempt] = {}
        self._retries: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._by_trial.values()))

    def __len__(self) -> int:
        return len(self._by_trial)

    def get(self, trial: int) -> Attempt | None:
        """Return a trial's attempt, if one is under way."""
        return self._by_trial.get(trial)

    def add(self, attempt: Attempt) -> None:
        """Take up an attempt."""
        self._by_trial[attempt.assignment.trial] = attempt

    def of(self, job: BalsamJob) -> Attempt | None:
        """Return the attempt that a job runs, if it is under way; a double of its job is not its job."""
        if job.tags.get(tags.KIND) != tags.TRIAL:
            return None
        number, attempt = key_of(job)
        found = self._by_trial.get(number)
        if found is None or found.assignment.attempt != attempt or found.job_id not in (None, job.id):
            return None
        return found

    def end(self, ended: Ended) -> list[Event]:
        """Let an attempt be over, unless it is already."""
        found = self._by_trial.get(ended.trial)
        if found is None or found.assignment.attempt != ended.attempt:
            return []
        del self._by_trial[ended.trial]
        return [ended]

    def lose(self, attempt: Attempt, why: str) -> list[Event]:
        """Let an attempt be over that nothing more is heard of: by its own result where it left one, else as lost."""
        of = attempt.assignment
        end = end_in(Path(of.folder), of.trial, of.attempt, of.point, _worker(attempt))
        reason = why + last_words(attempt.folder)
        return self.end(
            end or Ended(of.trial, of.attempt, State.LOST, reason=reason, worker=_worker(attempt))
        )

    def lose_silent(self) -> list[Event]:
        """Let the attempts be over whose jobs have been for some time; of a job that rests nothing is heard again."""
        limit = time.monotonic() - GRACE_SECONDS
        silent = [each for each in self if each.over_since is not None and each.over_since < limit]
        return [event for attempt in silent for event in self.lose(attempt, attempt.over)]

    def read_results(self) -> list[Event]:
        """Return the ends that workers wrote into their folders, for when the server does not answer."""
        events: list[Event] = []
        for attempt in list(self._by_trial.values()):
            of = attempt.assignment
            end = end_in(Path(of.folder), of.trial, of.attempt, of.point, _worker(attempt))
            events += self.end(end) if end else []
        return events

    def hear(self, job: BalsamJob) -> list[Event]:
        """Return what a job says that has not been heard."""
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
    """Say whether a job's end is to be had: told already, or to come from a launcher that is not known to be gone."""
    if (job.data or {}).get("end"):
        return True
    if job.state in WAITING:  # also where a launcher that is gone had taken it, and not started it
        return True
    return job.state is JobState.RUNNING and job.batch_job_id not in finished


def last_words(folder: Path) -> str:
    """Return the last line that a job printed, as the rest of a sentence; empty where it printed nothing."""
    try:
        lines = (folder / OUTPUT).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"; its last words: {one_line(lines[-1])[:200]}" if lines else ""


def key_of(job: BalsamJob) -> tuple[int, int]:
    """Return the trial and the attempt that a job is of."""
    return int(job.tags[tags.NUMBER]), int(job.tags[tags.ATTEMPT])


def _worker(attempt: Attempt, end: dict[str, str] | None = None) -> str:
    """Return who ran an attempt: host and process, and the job."""
    return f"{(end or {}).get('worker') or 'balsam'} (Balsam job {attempt.job_id})"
