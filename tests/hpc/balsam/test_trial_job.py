"""The program of a trial's job, run as a launcher runs it, without a server."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dh_project.hpc.balsam.client.models import JobResources
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec, trial_command
from dh_project.hpc.balsam.jobs.orders import give_order, kill_order, stop_order
from dh_project.hpc.balsam.jobs.trial_job import NOT_DONE
from dh_project.testing.evaluator import assert_dead
from dh_project.testing.runs import CHECKPOINT, PROCESSES
from dh_project.trial.attempt import RESULT, Assignment, RunContext
from dh_project.trial.trial import State


class JobOfTrial:
    """Starts a trial's job in a folder, and waits for its effects."""

    def __init__(self, folder, do, spec=None, resources=None):
        self.folder, self.trial = folder / "job", folder / "trial"
        self.folder.mkdir(exist_ok=True)
        context = RunContext("dh_project.testing.runs.run", {}, str(folder), sys.path)
        assignment = Assignment(3, 1, {"do": do, "x": 2.0}, str(self.trial))
        self.command = trial_command(
            spec or BalsamJobSpec(), context, assignment, resources or JobResources()
        )
        self.processes = []

    def start(self, job_id=7):
        environment = {**os.environ, "BALSAM_JOB_ID": str(job_id), "BALSAM_CLIENT_PATH": "nowhere"}
        process = subprocess.Popen(["/bin/bash", "-c", self.command], cwd=self.folder, env=environment)
        self.processes.append(process)
        return process

    def run(self, job_id=7):
        return self.start(job_id).wait(60)

    def result(self):
        return json.loads((self.trial / RESULT).read_text())

    def wait_for(self, name):
        limit = time.monotonic() + 60
        while not (self.trial / name).exists():
            assert time.monotonic() < limit
            time.sleep(0.05)


@pytest.fixture
def job(tmp_path):
    jobs = []

    def make(do, **more):
        jobs.append(JobOfTrial(tmp_path, do, **more))
        return jobs[-1]

    yield make
    for process in (process for each in jobs for process in each.processes):
        process.kill()
        process.wait()


def test_it_leaves_the_result_in_the_trials_folder(job):
    square = job("square")
    assert square.run() == 0
    assert (square.result()["state"], square.result()["objective"]) == ("done", 4.0)


def test_a_failed_trial_has_a_status_that_balsam_does_not_start_again(job):
    failing = job("raise_an_error")
    assert failing.run() == NOT_DONE
    assert failing.result()["cause"] == "exception"


def test_orders_reach_the_trial(job):
    reporting = job("report_until_told")
    process = reporting.start()
    reporting.wait_for(PROCESSES)
    give_order(reporting.folder, stop_order(after=0))
    assert process.wait(60) == 0
    assert reporting.result()["state"] == State.STOPPED


def test_a_stop_that_was_ordered_before_it_began_holds(job):
    reporting = job("report_until_told")
    give_order(reporting.folder, stop_order(after=0))
    assert reporting.run() == 0
    assert reporting.result()["state"] == State.STOPPED


def test_a_trial_that_was_killed_before_it_began_never_runs(job):
    hanging = job("hang")
    give_order(hanging.folder, kill_order(State.CANCELLED, "not wanted"))
    assert hanging.run() == NOT_DONE
    assert not hanging.trial.exists()


def test_a_launcher_that_ends_lets_the_trial_save_itself(job):
    reporting = job("report_until_told")
    process = reporting.start()
    reporting.wait_for(PROCESSES)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert reporting.result()["state"] == State.PAUSED
    assert (reporting.trial / CHECKPOINT).exists()


def test_one_that_is_killed_leaves_no_process(job):
    hanging = job("hang")
    process = hanging.start()
    hanging.wait_for(PROCESSES)
    ids = json.loads((hanging.trial / PROCESSES).read_text())["all"]
    process.kill()
    assert_dead(ids, 20.0)


def test_a_job_that_balsam_starts_again_tells_the_end_and_runs_nothing(job):
    square = job("square")
    square.run()
    before = (square.trial / RESULT).stat().st_mtime_ns
    assert square.run() == 0
    assert (square.trial / RESULT).stat().st_mtime_ns == before


def test_a_double_of_a_job_leaves_the_first_one_alone(job):
    hanging = job("hang")
    hanging.start(job_id=7)
    hanging.wait_for(PROCESSES)
    assert hanging.run(job_id=8) == 0
    assert not (hanging.trial / RESULT).exists()


def test_further_ranks_run_the_same_trial_and_tell_nothing(job):
    launcher = "RANK=1 {worker} & RANK=0 {worker}; wait $!"
    square = job("square", spec=BalsamJobSpec(command=launcher, processes=2))
    square.command = f"bash -c {shlex.quote(square.command)}"
    assert square.run() == 0
    assert square.result()["objective"] == 4.0
    assert json.loads((square.trial / "rank-1" / RESULT).read_text())["objective"] == 4.0


def test_a_further_rank_whose_launcher_ends_leaves_no_process(job):
    hanging = job("hang", spec=BalsamJobSpec(command="RANK=1 exec {worker}", processes=2))
    process = hanging.start()
    hanging.wait_for(Path("rank-1") / PROCESSES)
    ids = json.loads((hanging.trial / "rank-1" / PROCESSES).read_text())["all"]
    process.terminate()
    process.wait(20)
    assert_dead(ids, 20.0)
