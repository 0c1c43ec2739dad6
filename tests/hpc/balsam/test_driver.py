"""The exit of a search's own job tells Balsam whether the search is over, was interrupted, or continues."""

import json
import os
import signal
import subprocess
import time

import pytest

from dh_project.hpc.balsam.install.programs import program
from dh_project.hpc.balsam.jobs.driver import ENDED_FROM_OUTSIDE, ENDS_VARIABLE, LEAST_SECONDS, UNSUCCESSFUL
from dh_project.hpc.balsam.jobs.orders import give_order, kill_order
from dh_project.hpc.balsam.jobs.submission import OUTPUT, OVER, Over, Submission
from dh_project.results.driver_lock import DriverLock
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import State

pytestmark = pytest.mark.slow

PATIENCE = 60.0


class Job:
    """A driver in a folder, with its output in Balsam's output file."""

    def __init__(self, folder, samples):
        self.folder, self.samples = folder, samples

    def told(self, run="run", problem="small_problem.py", kwargs=(), max_evals=3, search=None, **more):
        """Write the driver's submission, with processes instead of jobs."""
        target = f"small_run.{run}" if run != "run" else str(self.samples / "small_run.py")
        search = {
            "problem": str(self.samples / problem),
            "run": target,
            "run_kwargs": dict(kwargs),
            "max_evals": max_evals,
            "num_workers": 1,
            "searcher": "random",
            "evaluator": "process",
        } | (search or {})
        fields = {"import_from": str(self.samples)} | more
        Submission(workflow="demo", search=search, **fields).write(self.folder)
        return self

    def start(self, seconds=None):
        environment = {**os.environ}
        if seconds is not None:
            environment[ENDS_VARIABLE] = str(time.time() + seconds)
        with (self.folder / OUTPUT).open("w") as output:
            return subprocess.Popen(
                program("dh_project.hpc.balsam.jobs.driver"),
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def run(self, seconds=None):
        return self.start(seconds).wait(PATIENCE)

    @property
    def paths(self):
        return SearchPaths(self.folder)

    @property
    def said(self):
        return (self.folder / OUTPUT).read_text()

    @property
    def over(self):
        return Over.read(self.folder)

    def trials(self):
        return History.replay(self.records()).trials

    def records(self, kind=None):
        path = SearchPaths(self.folder).journal
        lines = path.read_text().splitlines() if path.exists() else []
        records = [json.loads(line) for line in lines]
        return [record for record in records if kind in (None, record["kind"])]

    def wait_for(self, condition, process):
        limit = time.monotonic() + PATIENCE
        while not condition():
            assert process.poll() is None, self.said
            assert time.monotonic() < limit, self.said
            time.sleep(0.05)


@pytest.fixture
def job(tmp_path, samples):
    """Return a driver without a submission."""
    folder = tmp_path / "job"
    folder.mkdir()
    return Job(folder, samples)


def test_a_search_that_is_complete_is_over(job, tmp_path):
    outputs = tmp_path / "out" / "demo"
    assert job.told(outputs=outputs).run() == 0
    assert job.over.status == 0
    assert len(job.trials()) == 3
    assert sorted(path.name for path in outputs.iterdir()) == [
        "deephyper.log", "journal.jsonl", "results.csv"
    ]  # fmt: skip


def test_a_driver_that_is_started_again_after_its_end_only_says_so_again(job):
    job.told(max_evals=1).run()
    before = job.records()
    assert job.told(max_evals=2).run() == 0
    assert job.records() == before


def test_a_search_of_which_every_trial_failed_is_over_and_unsuccessful(job):
    assert job.told(run="fail").run() == UNSUCCESSFUL
    assert job.over.status == 1


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"problem": "no_problem.py"}, "there is no file"),
        ({"kwargs": {"secnds": 1}}, "did you mean 'seconds'"),
        ({"search": {"max_eval": 3}}, "did you mean 'max_evals'"),
    ],
)
def test_a_mistake_ends_it_for_good_and_is_told(job, told, said):
    assert job.told(**told).run() == UNSUCCESSFUL
    assert job.over.status == 2
    assert said in job.over.reason
    assert "Traceback" not in job.said


def test_a_driver_that_is_told_nothing_says_so(job):
    assert job.run() == UNSUCCESSFUL
    assert "submission.json" in job.over.reason


def test_one_that_is_ended_from_outside_is_not_over_and_goes_on_when_started_again(job):
    process = job.told(kwargs={"seconds": 0.5}, max_evals=4).start()
    job.wait_for(lambda: job.records("end"), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == ENDED_FROM_OUTSIDE
    assert job.over is None
    ended = len(job.records("end"))
    assert job.run() == 0
    assert len(job.records("session")) == 2
    assert len(job.trials()) == 4
    assert ended < 4


def test_one_whose_time_runs_out_stays_until_its_launcher_ends_it(job):
    process = job.told(kwargs={"seconds": 600}, margin=2.0).start(seconds=LEAST_SECONDS + 12)
    job.wait_for(lambda: job.records("close"), process)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == ENDED_FROM_OUTSIDE
    assert job.records("close")[0]["ending"] == "time"
    assert job.over is None


def test_with_too_little_time_left_there_is_no_session(job):
    process = job.told().start(seconds=LEAST_SECONDS / 2)
    job.wait_for(lambda: "staying until the batch job ends" in job.said, process)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == ENDED_FROM_OUTSIDE
    assert job.records() == []


@pytest.mark.parametrize("when", ["before", "searching", "staying"])
def test_an_order_to_end_is_final_whenever_it_comes(job, when):
    job.told(kwargs={"seconds": 600}, margin=2.0)
    order = kill_order(State.CANCELLED, "not wanted any more")
    if when == "before":
        give_order(job.folder, order)
    process = job.start(seconds=LEAST_SECONDS + 12 if when == "staying" else None)
    if when != "before":
        kind = "start" if when == "searching" else "close"
        job.wait_for(lambda: job.records(kind), process)
        give_order(job.folder, order)
    assert process.wait(PATIENCE) == UNSUCCESSFUL
    assert job.over.reason == "not wanted any more"


def test_the_driver_before_may_take_a_moment_to_end(job):
    """The launcher of the earlier driver died, and it saves the state of its trials."""
    before = DriverLock(job.told(max_evals=1).paths)
    process = job.start()
    job.wait_for(lambda: "another search is running" in job.said, process)
    before.release()
    assert process.wait(PATIENCE) == 0
    assert len(job.trials()) == 1


def test_modules_are_found_as_in_the_folder_of_submission(job, tmp_path):
    (tmp_path / "mine.py").write_text("def run(point):\n    return 1.0\n")
    job.told(import_from=str(tmp_path), max_evals=1)
    submission = Submission.read(job.folder)
    submission.search["run"] = "mine.run"
    submission.write(job.folder)
    assert job.run() == 0
    assert job.trials()[0].objective == 1.0


def test_nothing_in_its_folder_hides_a_module(job):
    (job.folder / "json.py").write_text("raise RuntimeError\n")
    assert job.told(max_evals=1).run() == 0


def test_a_bug_is_told_and_does_not_make_balsam_run_it_again_and_again(job):
    job.told(max_evals=1)
    (job.folder / "deephyper.log").mkdir()
    assert job.run() == UNSUCCESSFUL
    assert (job.folder / OVER).exists()
