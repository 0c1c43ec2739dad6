"""The jobs that the evaluator creates and adopts on a real server; the test acts as the launcher."""

import sys
import time

import pytest

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BatchState, JobState
from dh_project.hpc.balsam.evaluator import BalsamEvaluator
from dh_project.hpc.balsam.install.installation import Installation, NodeKind
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec
from dh_project.hpc.balsam.jobs.orders import Orders
from dh_project.hpc.balsam.jobs.packing import pack
from dh_project.hpc.balsam.jobs.place import Place
from dh_project.hpc.balsam.jobs.release import release
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended
from dh_project.trial.shape import TrialShape
from dh_project.trial.trial import State

from agentless_site import AgentlessSite  # isort: skip

pytestmark = pytest.mark.balsam

END = {"state": "done", "objective": 0.5, "reason": None, "cause": None, "facts": {}, "worker": "host:1"}


class Launcher:
    """An evaluator, its attempts, and the actions of a launcher on their jobs."""

    def __init__(self, client, folder):
        self.client, self.site = client, AgentlessSite(client, folder / "site")
        self.driver = self.site.job("search", JobState.RUNNING)
        self.place = Place(
            Installation(folder),
            BalsamClient(client._token_file, client._login_file),
            self.site.workflow,
            self.driver.workdir,
            SearchPaths(folder / "search"),
            pack(NodeKind(cores=3), 1, "serial", TrialShape(cores=None)),
            BalsamJobSpec(),
            self.site.apps["trial"],
            own_job=self.driver.id,
        )
        self.context = RunContext("dh_project.testing.runs.run", {}, str(folder), sys.path)
        self.evaluator = BalsamEvaluator(self.context, self.place)

    def assignment(self, trial=0):
        return Assignment(trial, 1, {"x": 1.0}, str(self.place.search.trial(trial, 1)))

    def make(self, state=JobState.AWAITING_PARENTS):
        """Create a job as an earlier session did."""
        [job] = self.client.create_jobs([self.place.request(self.context, self.assignment())])
        return job if state is job.state else self.site.put(job, state)

    def start(self):
        """Start an attempt, and return its job when launchers can take it."""
        self.evaluator.start(self.assignment())
        tags = self.place.tags_of_trials()
        self.wait_for(lambda: self.client.jobs(tags, states=[JobState.PREPROCESSED]))
        return self.client.jobs(tags)[0]

    def take_in_batch_job_that_ends(self):
        died = self.site.batch_job(BatchState.RUNNING, 70)
        self.site.take(died)
        return died

    def end(self):
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            for event in self.evaluator.wait(0.5):
                if isinstance(event, Ended):
                    return event
        raise AssertionError("no end came")

    @staticmethod
    def wait_for(is_so):
        limit = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < limit
            time.sleep(0.1)


@pytest.fixture
def launcher(client, tmp_path, monkeypatch):
    monkeypatch.setattr("dh_project.hpc.balsam.evaluator.CLOSING_SECONDS", 2.0)  # nothing of these jobs ends
    launcher = Launcher(client, tmp_path)
    yield launcher
    launcher.evaluator.close()
    launcher.site.remove()


def test_a_job_that_a_dead_driver_made_and_did_not_let_go_is_let_go(launcher):
    job = launcher.make()
    assert launcher.evaluator.adopt([launcher.assignment()]) == {0}
    launcher.wait_for(lambda: launcher.client.job(job.id).state is JobState.PREPROCESSED)
    assert len(launcher.client.jobs(launcher.place.tags_of_trials())) == 1


def test_a_job_that_a_dead_launcher_took_and_did_not_start_is_adopted(launcher):
    job = launcher.make(JobState.PREPROCESSED)
    died = launcher.take_in_batch_job_that_ends()
    launcher.site.move(died, BatchState.FINISHED)
    assert [each.id for each in release(launcher.client, launcher.site.id, launcher.site.workflow)] == [
        job.id
    ]
    assert launcher.evaluator.adopt([launcher.assignment()]) == {0}


def test_a_job_that_ran_in_a_dead_launcher_is_not_adopted(launcher):
    job = launcher.make(JobState.PREPROCESSED)
    died = launcher.take_in_batch_job_that_ends()
    launcher.site.put(job, JobState.RUNNING)
    launcher.site.move(died, BatchState.FINISHED)
    assert launcher.evaluator.adopt([launcher.assignment()]) == set()


def test_a_trial_that_runs_when_the_driver_crashes_is_paused_and_not_over(launcher):
    launcher.start()
    launcher.take_in_batch_job_that_ends()
    launcher.evaluator.close()
    [order] = Orders(launcher.place.job_folder(launcher.assignment())).new()
    assert (order["do"], order["state"]) == ("kill", State.PAUSED)


def test_an_end_that_was_told_and_not_heard_outlives_a_kill(launcher):
    job = launcher.start()
    launcher.client.update_job(job.id, data={"end": END}, state=JobState.RUN_DONE)
    launcher.evaluator.kill(0, State.PAUSED, "time is up")
    assert launcher.end().objective == 0.5


def test_an_attempt_whose_job_was_deleted_is_lost(launcher, monkeypatch):
    monkeypatch.setattr("dh_project.hpc.balsam.evaluator.ALL_SECONDS", 0.0)
    job = launcher.start()
    launcher.client.delete_job(job.id)
    end = launcher.end()
    assert (end.state, "was deleted" in end.reason) == (State.LOST, True)
