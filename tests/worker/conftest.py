import sys
from itertools import count

import pytest

from dh_project.trial.attempt import Assignment, RunContext
from dh_project.worker.worker_process import WorkerProcess


class Runs:
    """Runs trials of a module one after the other in one worker, and returns their ends."""

    def __init__(self, folder, seed, threads):
        self.folder, self.seed, self.threads = folder, seed, threads
        self.numbers = count()
        self.worker = None

    def of(self, source):
        """Use a module with this source from now on, in a worker of its own."""
        self.close()
        path = self.folder / f"module_{next(self.numbers)}.py"
        path.write_text(source)
        context = RunContext(str(path), {}, str(self.folder), sys.path, seed=self.seed)
        self.worker = WorkerProcess(context, threads=self.threads)
        return self

    def trial(self, number=0, attempt=1, point=None, **more):
        """Run an attempt at a trial; return its end, with its folder."""
        folder = self.folder / f"trial-{next(self.numbers)}"
        self.worker.run(Assignment(number, attempt, point or {"x": 1.0}, str(folder), **more))
        messages = []
        while not messages or messages[-1]["event"] != "end":
            messages += self.worker.read()
        return {**messages[-1], "folder": folder}

    def close(self):
        if self.worker is not None:
            self.worker.close()
            self.worker = None


@pytest.fixture
def make_runs(tmp_path):
    made = []

    def make(seed=1, threads=1):
        folder = tmp_path / f"runs-{len(made)}"
        folder.mkdir()
        made.append(Runs(folder, seed, threads))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def runs(make_runs):
    return make_runs()
