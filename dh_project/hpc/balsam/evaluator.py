"""The ``balsam`` evaluator: each attempt at a trial is a job of a Balsam site, with a worker of its own.

One thread speaks with the server for all trials. It creates jobs in bulk, and asks for the jobs that have changed;
the interval grows while nothing happens. If the server does not answer, only new trials have to wait: running trials
continue, and their ends are read from their folders.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from dh_project.evaluators.base import Evaluator, lost
from dh_project.evaluators.placement import in_words
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hpc.balsam.client.client import (
    IDS_OF_A_REQUEST,
    Refused,
    ServerError,
    Unauthorized,
    Unavailable,
)
from dh_project.hpc.balsam.client.models import BalsamJob, BatchState, JobRequest, JobState
from dh_project.hpc.balsam.jobs.orders import give_order, kill_order, stop_order
from dh_project.hpc.balsam.jobs.place import STARTING_PATIENCE, Place, find_place
from dh_project.hpc.balsam.jobs.states import WAITING
from dh_project.hpc.balsam.jobs.watch import Attempt, Attempts, is_alive, key_of
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Event
from dh_project.trial.trial import State

log = logging.getLogger("dh_project")

SHORTEST_WAIT, LONGEST_WAIT, GROWTH = 0.5, 5.0, 1.5
"""Interval between two requests in seconds: the shortest, after news; the longest; and its growth without news."""

WAIT_OF_A_TRIAL = 0.01
"""Seconds that each trial adds to the shortest interval, because each makes the server's answer longer."""

OVERLAP = timedelta(seconds=5)
"""Overlap of two requests for changes: changes can become visible out of order."""

ALL_SECONDS = 120.0
"""Interval at which all current jobs and the batch jobs are asked for."""

WORD_SECONDS = 60.0
"""Interval at which a warning is repeated that the server does not answer, or that no launcher takes the jobs."""

CLOSING_SECONDS = 10.0


class BalsamEvaluator(Evaluator):
    """Runs trials as jobs of a Balsam site.

    Args:
        context: The settings that all trials share.
        place: The site and batch job, and the resources of a trial.
    """

    starts_all_processes = True
    spreads_trials = True

    def __init__(self, context: RunContext, place: Place) -> None:
        self._context, self._place, self._client = context, place, place.client
        self.num_workers = place.num_workers
        self._attempts = Attempts()
        self._lock = threading.RLock()
        self._unsent: list[Assignment] = []
        self._to_withdraw: list[tuple[int, Ended]] = []
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._left: set[int] = set()
        self._is_unsure = False  # whether the last request for new jobs may have created some
        self._newest: datetime | None = None
        self._seen_at = 0.0  # when that change was seen, by this machine's clock
        self._all_due = self._word_due = 0.0
        self._wake, self._is_closing = threading.Event(), False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="balsam", daemon=True)
        self._thread.start()

    @classmethod
    def create(cls, context: RunContext, settings: EvaluatorSettings) -> BalsamEvaluator:
        """Start an evaluator on the active Balsam site."""
        return cls(context, find_place(context.run, settings))

    # ---- the contract

    def in_words(self) -> str:
        """Return how many trials run at a time and what each takes."""
        trials, each = self._place.packing.slots, self._place.packing.trial
        takes = in_words(each.threads_per_rank, each.gpus_per_rank)
        processes = each.num_nodes * each.ranks_per_node
        many = f"{processes} processes of " if processes > 1 else ""
        return f"{trials} {'trial' if trials == 1 else 'trials'} at a time as jobs ({many}{takes} each)"

    def start(self, assignment: Assignment) -> None:
        """Accept one attempt; the next request makes a job of it."""
        with self._lock:
            self._attempts.add(Attempt(assignment, self._place.job_folder(assignment)))
            self._unsent.append(assignment)
        self._wake.set()

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return new events, after waiting for them at most ``timeout`` seconds."""
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=timeout) if timeout != 0 else self._events.get_nowait())
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            if self._fault is not None:  # the thread is dead: crash, so that the driver is started again
                raise self._fault from None
            return events

    def stop(self, trial: int, after: int) -> None:
        """Stop a trial at its next report above a step."""
        with self._lock:
            attempt = self._attempts.get(trial)
            if attempt is not None:
                give_order(attempt.folder, stop_order(after))

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End a trial's attempt; withdraw its job if no launcher has taken it."""
        with self._lock:
            attempt = self._attempts.get(trial)
            if attempt is None:
                return
            end = Ended(trial, attempt.assignment.attempt, state, reason=reason)
            give_order(attempt.folder, kill_order(state, reason, patience))
            if attempt.assignment in self._unsent:
                self._unsent.remove(attempt.assignment)
                self._put(self._attempts.end(end))
                return
            if attempt.job_id is not None and attempt.state is State.WAITING:
                self._to_withdraw.append((attempt.job_id, end))
        self._wake.set()

    def leave(self, trial: int) -> bool:
        """Let an attempt continue after this session, if it runs in another batch job than the driver."""
        with self._lock:
            attempt = self._attempts.get(trial)
            if attempt is None or attempt.state is not State.RUNNING or attempt.batch_job_id is None:
                return False
            if attempt.batch_job_id == self._place.own_batch_job:
                return False
            self._left.add(trial)
            return True

    def adopt(self, assignments: Sequence[Assignment]) -> set[int]:
        """Adopt attempts whose jobs wait, run, or have reported their end. The search repeats the others."""
        self._client.patience = STARTING_PATIENCE
        try:
            jobs = {key_of(job): job for job in self._client.jobs(self._place.tags_of_trials())}
            finished = {
                batch.id
                for batch in self._client.batch_jobs(tags=self._place.tag_of_workflow())
                if batch.state is BatchState.FINISHED
            }
        except ServerError as error:
            if (
                self._place.own_job is not None
            ):  # crash, so that the driver runs again when the server is back
                raise
            log.warning("%s; running trials will be started again", error)
            return set()
        finally:
            self._client.patience = 0.0
        adopted = set()
        self._see(jobs.values())
        with self._lock:
            for job in jobs.values():  # retries that the user has asked for become events at once
                self._put(self._attempts.hear(job))
            for assignment in assignments:
                own = jobs.get((assignment.trial, assignment.attempt))
                if own is None or not is_alive(own, finished):
                    continue
                adopted.add(assignment.trial)
                folder = self._place.job_folder(assignment)
                self._attempts.add(Attempt(assignment, folder, own.id, own.batch_job_id))
                if own.state is JobState.AWAITING_PARENTS:  # the driver died before it released the job
                    self._is_unsure = True
                    self._unsent.append(assignment)
        self._all_due = 0.0
        self._wake.set()
        return adopted

    def close(self) -> None:
        """End all attempts that were not left running, and stop the thread."""
        if not self._thread.is_alive():
            return
        for trial in self._owed():
            self.kill(trial, State.PAUSED, "the driver ended")  # a later session may read the end
        limit = time.monotonic() + CLOSING_SECONDS
        while self._owed() and time.monotonic() < limit:
            time.sleep(0.1)
        self._is_closing = True
        self._wake.set()
        self._thread.join(CLOSING_SECONDS)
        self._client.close()

    def _owed(self) -> set[int]:
        """Return the trials with an attempt that was not left running."""
        with self._lock:
            return {attempt.assignment.trial for attempt in self._attempts} - self._left

    # ---- the thread

    def _serve(self) -> None:
        try:
            self._speak()
        except Exception as error:
            log.exception("the thread that speaks with the Balsam server has failed")
            self._fault = error

    def _speak(self) -> None:
        """Speak with the server until the search ends."""
        wait = shortest = min(LONGEST_WAIT, max(SHORTEST_WAIT, WAIT_OF_A_TRIAL * self.num_workers))
        while not self._is_closing:
            self._wake.clear()
            try:
                self._send()
                self._withdraw()
                has_news = self._ask()
            except (Unavailable, Unauthorized) as error:
                self._say(f"{error}; running trials continue; trying again")
                has_news = self._put(self._read_results())
            except Refused as error:
                self._say(str(error))
                has_news = False
            wait = shortest if has_news else min(wait * GROWTH, LONGEST_WAIT)
            if self._wake.wait(wait):
                wait = shortest

    def _send(self) -> None:
        """Create jobs for the new attempts, and release them to the launchers."""
        with self._lock:
            unsent = list(self._unsent)
        if not unsent:
            return
        made = self._made_before(unsent) if self._is_unsure else {}
        missing = [each for each in unsent if (each.trial, each.attempt) not in made]
        requests = [self._request(assignment) for assignment in missing]
        self._is_unsure = True
        try:
            made |= {key_of(job): job for job in self._client.create_jobs(requests)}
        except Refused as error:
            self._lose(unsent, f"the server took no job for it: {error}")
            return
        resting = [job.id for job in made.values() if job.state is JobState.AWAITING_PARENTS]
        self._client.update_jobs(resting, [JobState.AWAITING_PARENTS], state=JobState.PREPROCESSED)
        self._is_unsure = False
        with self._lock:
            for assignment in unsent:
                job = made[assignment.trial, assignment.attempt]
                attempt = self._attempts.get(assignment.trial)
                if assignment in self._unsent:
                    self._unsent.remove(assignment)
                if attempt is None or attempt.assignment is not assignment:  # killed meanwhile
                    end = Ended(assignment.trial, assignment.attempt, State.CANCELLED)
                    self._to_withdraw.append((job.id, end))
                else:
                    attempt.job_id = job.id

    def _made_before(self, assignments: Sequence[Assignment]) -> dict[tuple[int, int], BalsamJob]:
        """Return the jobs of these attempts that an earlier request created although its answer was lost."""
        wanted = {(each.trial, each.attempt) for each in assignments}
        jobs = self._client.jobs(self._place.tags_of_trials())
        return {key_of(job): job for job in jobs if key_of(job) in wanted}

    def _request(self, assignment: Assignment) -> JobRequest:
        folder = self._place.job_folder(assignment)
        folder.mkdir(parents=True, exist_ok=True)  # Balsam's agent, which makes others, does not see this job
        return self._place.request(self._context, assignment)

    def _withdraw(self) -> None:
        """Delete the jobs of killed attempts that no launcher has taken. The others read their orders."""
        while self._to_withdraw:
            job_id, end = self._to_withdraw[0]
            self._client.delete_job(job_id, WAITING)
            is_gone = not self._client.jobs(ids=[job_id])
            self._to_withdraw.pop(0)
            if is_gone:
                with self._lock:
                    self._put(self._attempts.end(end))

    def _ask(self) -> bool:
        """Ask for changed jobs; return whether there were any."""
        now, newest = time.monotonic(), self._newest
        is_all = newest is None or now >= self._all_due
        jobs: list[BalsamJob] = []
        gone: set[int] = set()
        if newest is not None:
            quiet = timedelta(
                seconds=now - self._seen_at
            )  # after a long quiet time, no late change is expected
            after = newest - max(timedelta(), OVERLAP - quiet)
            jobs += self._client.jobs(self._place.tags_of_trials(), updated_after=after)
        if is_all:
            with self._lock:
                under_way = [attempt.job_id for attempt in self._attempts if attempt.job_id is not None]
            for first in range(0, len(under_way), IDS_OF_A_REQUEST):
                jobs += self._client.jobs(ids=under_way[first : first + IDS_OF_A_REQUEST])
            gone = set(under_way) - {job.id for job in jobs}
        self._see(jobs)
        has_news = newest != self._newest
        with self._lock:
            for job in jobs:
                has_news = self._put(self._attempts.hear(job)) or has_news
            for attempt in self._attempts:
                if attempt.job_id in gone:
                    self._put(self._attempts.lose(attempt, f"its job {attempt.job_id} was deleted"))
            has_news = self._put(self._attempts.lose_silent()) or has_news
            has_news = has_news or any(attempt.over_since is not None for attempt in self._attempts)
        if is_all:
            self._all_due = now + ALL_SECONDS
        if is_all or now >= self._word_due:
            self._look_at_launchers()
        return has_news

    def _see(self, jobs: Iterable[BalsamJob]) -> None:
        """Remember the latest change of any job; the next request asks for changes since then."""
        newest = max((job.last_update for job in jobs), default=None)
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest, self._seen_at = newest, time.monotonic()

    def _look_at_launchers(self) -> None:
        """End the attempts whose batch job is over as lost, and warn if no launcher takes the waiting jobs."""
        self._word_due = time.monotonic() + WORD_SECONDS
        batches = self._client.batch_jobs(tags=self._place.tag_of_workflow())
        finished = {batch.id for batch in batches if batch.state is BatchState.FINISHED}
        with self._lock:
            for attempt in self._attempts:
                if attempt.state is State.RUNNING and attempt.batch_job_id in finished:
                    self._put(self._attempts.lose(attempt, "its batch job ended while it ran"))
            waiting = sum(attempt.state is State.WAITING for attempt in self._attempts)
        if waiting and not any(batch.state is BatchState.RUNNING for batch in batches):
            log.warning(
                "%d trials wait, and no batch job of workflow %s runs; look with: deephyper balsam-status",
                waiting,
                self._place.workflow,
            )

    def _read_results(self) -> list[Event]:
        with self._lock:
            return self._attempts.read_results()

    def _lose(self, assignments: Sequence[Assignment], why: str) -> None:
        """End new attempts for which no job could be created as lost."""
        log.error("%s", why)
        with self._lock:
            self._unsent = [each for each in self._unsent if each not in assignments]
            for each in assignments:
                self._put(self._attempts.end(lost(each, "balsam", why)))

    def _put(self, events: Sequence[Event]) -> bool:
        for event in events:
            self._events.put(event)
        return bool(events)

    def _say(self, text: str) -> None:
        if time.monotonic() >= self._word_due:
            self._word_due = time.monotonic() + WORD_SECONDS
            log.warning("%s", text)
