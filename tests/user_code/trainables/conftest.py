import sys

import pytest
from told import Told

from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.reporting import Connection, connect
from dh_project.worker.worker_process import WorkerProcess, close_workers


@pytest.fixture
def attempt(tmp_path):
    """Return a function that starts an attempt in a folder of its name."""

    def attempt(name, before=None, stop_at=None):
        folder = tmp_path / name
        folder.mkdir()
        told = Told(folder, tmp_path / before if before else None, stop_at)
        connect(told)
        return told

    yield attempt
    connect(Connection())


@pytest.fixture
def attempts_of_a_worker(samples, tmp_path):
    """Return a function that runs an attempt in a worker, after earlier ones, and returns its events."""
    workers = []

    def make(run, point, run_kwargs, attempt, order=None):
        worker = WorkerProcess(
            RunContext(run, run_kwargs, str(tmp_path), [*sys.path, str(samples)]), threads=1
        )
        workers.append(worker)
        folders = [str(tmp_path / f"attempt-{number}") for number in range(attempt, 0, -1)]
        worker.run(Assignment(0, attempt, point, folders[0], folders[1:]))
        events = []
        while not events or events[-1]["event"] != "end":
            new = worker.read()
            assert new is not None, worker.why_it_died()
            events += [event for event in new if event["event"] in ("report", "end")]
            if order and events:
                order(worker)
                order = None
        return events

    yield make
    close_workers(workers)
