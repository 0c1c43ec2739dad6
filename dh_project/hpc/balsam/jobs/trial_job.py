"""The program of a trial's job: runs one attempt in a worker, and reports it to the server.

It starts a worker as every evaluator does. It relays the worker's reports and end to the server, and the orders in
the job's folder to the worker. An attempt runs once: if Balsam starts its job again, this program reports the end of
the earlier run, or that it was lost, and the search decides about another attempt.
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
from dh_project.worker.attempt_result import without_objective
from dh_project.worker.worker_process import WorkerProcess

log = logging.getLogger("dh_project")

ORDER_SECONDS = 0.25
"""Interval between two checks for orders."""

STARTED = "started"
"""File in the job's folder that holds the number of the job that was started there."""

PATIENCE_SECONDS = 2.0
"""Time in which a trial can save its state when its launcher ends."""

NOT_DONE = 3
"""Exit status if the trial has no objective. With some others (1, 255) Balsam would start the job again."""


class TrialJob:
    """One run of the program.

    Args:
        payload: The payload of :func:`dh_project.hpc.balsam.jobs.job_spec.trial_command`.
        folder: The job's folder.
        job_id: Its number.
        wake: File descriptor that becomes readable when a SIGTERM comes.
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
            log.warning("job %s runs this attempt; this one is a duplicate", earlier)
            return 0
        data = JobData(_client, self.job_id, self.trials)
        end = self._attempt(data) if earlier is None else self._end_of_earlier_run()
        data.end(end)
        is_fine = State(end["state"]).has_objective or (end["state"] == State.PAUSED and self.processes == 1)
        return 0 if is_fine else NOT_DONE

    def _claim(self) -> int | None:
        """Record that this job starts the attempt; return the job that has started it before, if there is one."""
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
            return {
                **without_objective(State.LOST, "its launcher died, and Balsam started its job again"),
                "facts": {},
            }
        told = asdict(end)
        return {name: told[name] for name in ("state", "objective", "reason", "cause", "facts")}

    def _attempt(self, data: JobData) -> dict[str, Any]:
        """Run the attempt in a worker and return its end."""
        orders = self.orders.new()
        if early := [order for order in orders if order["do"] == "kill"]:
            return {**without_objective(State(early[0]["state"]), early[0]["reason"]), "facts": {}}
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
                            **without_objective(State.LOST, worker.why_it_died()),
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
        """Run a further rank of the trial. Its reports are ignored, and its exit status tells its end.

        A SIGTERM ends it at once, and its worker with it: only the first rank has a state to save.
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
    """Return a client of the server; None if there is no token: then only the result file tells the end."""
    from dh_project.common.errors import UserError
    from dh_project.hpc.balsam.client.client import BalsamClient
    from dh_project.hpc.balsam.install.installation import LOGIN_NAME

    token = Path(os.environ.get("BALSAM_CLIENT_PATH", ""))
    with suppress(UserError, OSError):
        return BalsamClient(token, token.with_name(LOGIN_NAME))
    log.warning("BALSAM_CLIENT_PATH=%s: no token; the server will get no data of this job", token)
    return None


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal only wakes the selector."""


def main() -> None:
    """Run the attempt on the command line."""
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    payload = json.loads(sys.argv[1])
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(
        waker, warn_on_full_buffer=False
    )  # a signal that comes before the worker exists waits
    signal.signal(signal.SIGTERM, _ignore)
    die_with_the_parent()
    if payload["processes"] == 1:
        forget_ranks(os.environ)
    sys.exit(TrialJob(payload, Path.cwd(), int(os.environ.get("BALSAM_JOB_ID", "0")), wake).run())
