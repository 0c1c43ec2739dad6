"""The program of a trial's job: carries one attempt to a worker of its own, and tells the server of it.

It starts a worker as every evaluator does, relays its reports and its end to the server, and the orders in its
folder to the worker. An attempt runs once: where Balsam starts its job again, the earlier run's end is told, or that
it was lost, and the search decides about another attempt.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from dh_project.hpc.balsam.install.programs import die_with_the_parent
from dh_project.hpc.balsam.jobs.job_data import JobData
from dh_project.hpc.balsam.jobs.orders import Orders, kill_order
from dh_project.results.adoption import end_in
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.ranks import folder_of, forget_ranks, rank
from dh_project.trial.trial import State
from dh_project.worker.outcome import outcome
from dh_project.worker.worker_process import WorkerProcess

log = logging.getLogger("dh_project")

ORDER_SECONDS = 0.25
"""So often orders are looked for."""

STARTED = "started"
"""In the job's folder: the number of the job that was started there."""

PATIENCE_SECONDS = 2.0
"""A trial whose launcher ends has so long to save itself."""

NOT_DONE = 3
"""Exit status where the trial has no objective; Balsam starts some others (1, 255) again."""


class TrialJob:
    """One run of the program.

    Args:
        payload: What :func:`dh_project.hpc.balsam.jobs.job_spec.trial_command` packed.
        folder: The job's folder.
        job_id: Its number.
        wake: File descriptor that can be read from once a SIGTERM has come.
    """

    def __init__(self, payload: dict[str, Any], folder: Path, job_id: int, wake: int) -> None:
        self.context = RunContext(**payload["context"])
        self.assignment = Assignment(**payload["assignment"])
        self.processes, self.threads = payload["processes"], payload["threads"]
        self.trials = payload["trials"]
        self.environment = payload["environment"]
        self.folder, self.job_id, self.wake = folder, job_id, wake
        self.orders = Orders(folder)

    def run(self) -> int:
        """Run the attempt and return the exit status."""
        number = rank() if self.processes > 1 else 0
        self.assignment = replace(self.assignment, rank=number, world_size=self.processes)
        if number > 0:
            return self._follow(number)
        earlier = self._claim()
        if earlier not in (None, self.job_id):
            log.warning("job %s runs this attempt; this one is a double", earlier)
            return 0
        data = JobData(_client, self.job_id, self.trials)
        end = self._attempt(data) if earlier is None else self._end_of_earlier_run()
        data.end(end)
        is_fine = end["state"] in (State.DONE, State.STOPPED) or (
            end["state"] == State.PAUSED and self.processes == 1
        )
        return 0 if is_fine else NOT_DONE

    def _claim(self) -> int | None:
        """Note that the attempt is started here; return the job that did so before, if one has."""
        path = self.folder / STARTED
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return int(path.read_text() or self.job_id)
        os.write(descriptor, str(self.job_id).encode())
        os.close(descriptor)
        return None

    def _end_of_earlier_run(self) -> dict[str, Any]:
        of = self.assignment
        end = end_in(Path(of.folder), of.trial, of.attempt, of.point)
        if end is None:
            return {**outcome(State.LOST, "its launcher died, and Balsam started its job again"), "facts": {}}
        told = asdict(end)
        return {name: told[name] for name in ("state", "objective", "reason", "cause", "facts")}

    def _attempt(self, data: JobData) -> dict[str, Any]:
        """Run the attempt in a worker and return its end, told to the server or not."""
        orders = self.orders.new()
        if early := [order for order in orders if order["do"] == "kill"]:
            return {**outcome(State(early[0]["state"]), early[0]["reason"]), "facts": {}}
        trial, attempt = self.assignment.trial, self.assignment.attempt
        worker = WorkerProcess(self.context, self.threads, self.environment)
        selector = selectors.DefaultSelector()
        selector.register(worker.events, selectors.EVENT_READ)
        selector.register(self.wake, selectors.EVENT_READ)
        worker.run(self.assignment)
        data.begin()  # after the worker, for both take time to start
        try:
            while True:
                for order in orders:
                    if order["do"] == "stop":
                        worker.stop(trial, attempt, order["after"])
                    else:
                        worker.kill(trial, attempt, order["state"], order["reason"], order["patience"])
                orders = []
                for key, _ in selector.select(ORDER_SECONDS):
                    if key.fd == self.wake:
                        os.read(self.wake, 64)
                        orders.append(kill_order(State.PAUSED, "its launcher ends", PATIENCE_SECONDS))
                        continue
                    messages = worker.read()
                    if messages is None:
                        return {
                            **outcome(State.LOST, worker.why_it_died()),
                            "facts": {},
                            "worker": worker.name,
                        }
                    for message in messages:
                        if message["event"] == "report":
                            data.report(message["step"], message["objective"])
                        elif message["event"] == "end":
                            fields = ("state", "objective", "reason", "cause", "facts")
                            return {**{name: message[name] for name in fields}, "worker": worker.name}
                orders += self.orders.new()
        finally:
            worker.close()

    def _follow(self, number: int) -> int:
        """Run a further rank of the trial: what it reports is not heard, and its end is its exit status.

        A SIGTERM ends it at once, and its worker with it: only the first rank has something to save.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        folder = folder_of(self.assignment.folder, number)
        worker = WorkerProcess(self.context, self.threads, self.environment)
        try:
            worker.run(replace(self.assignment, folder=folder))
            while (messages := worker.read()) is not None:
                for message in messages:
                    if message["event"] == "end":
                        return 0 if message["state"] == State.DONE else NOT_DONE
            return NOT_DONE
        finally:
            worker.close()


def _client() -> Any:
    """Return a client of the server; None where there is no token, for then the result's file has to do."""
    from dh_project.common.errors import UserError
    from dh_project.hpc.balsam.client.client import BalsamClient
    from dh_project.hpc.balsam.install.installation import LOGIN_NAME

    token = Path(os.environ.get("BALSAM_CLIENT_PATH", ""))
    with suppress(UserError, OSError):
        return BalsamClient(token, token.with_name(LOGIN_NAME))
    log.warning("BALSAM_CLIENT_PATH=%s: no token; the server hears nothing of this job", token)
    return None


def _ignore(number: int, frame: FrameType | None) -> None:
    """Let the signal do nothing but wake the selector."""


def main() -> None:
    """Run the attempt that the command line holds."""
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    payload = json.loads(sys.argv[1])
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)  # one that comes before the worker is there waits
    signal.signal(signal.SIGTERM, _ignore)
    die_with_the_parent()
    if payload["processes"] == 1:
        forget_ranks(os.environ)
    sys.exit(TrialJob(payload, Path.cwd(), int(os.environ.get("BALSAM_JOB_ID", "0")), wake).run())
