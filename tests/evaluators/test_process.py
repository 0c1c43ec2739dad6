import sys

import psutil
import pytest

from dh_project.common.errors import UserError
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.testing.evaluator import EvaluatorContract
from dh_project.trial import gpus as devices
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.shape import TrialShape
from dh_project.trial.trial import State


class TestProcessEvaluator(EvaluatorContract):
    @classmethod
    def make(cls, context, settings):
        return ProcessEvaluator(context, settings)


class TestWithScratch(TestProcessEvaluator):
    """The contract also holds if trials write to scratch."""

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, tmp_path_factory):
        scratch = str(tmp_path_factory.mktemp("scratch"))
        here = str(tmp_path_factory.mktemp("here"))
        return RunContext("dh_project.testing.runs.run", {}, here, sys.path, scratch=scratch)


def devices_of_workers(tmp_path, monkeypatch, visible, variable="CUDA_VISIBLE_DEVICES", **settings):
    """Return the value of the GPU variable in a trial of each worker."""
    monkeypatch.setattr(devices, "DEVICE_FILES", ("null",))  # a device file that always exists
    for name in devices.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, visible)
    (tmp_path / "see.py").write_text(
        "import os, time\nfrom dh_project import record\n"
        f"def run(point):\n    record(seen=os.environ.get('{variable}'))\n"
        "    time.sleep(0.5)\n    return 0.0\n"
    )
    context = RunContext(str(tmp_path / "see.py"), {}, str(tmp_path), sys.path)
    with ProcessEvaluator(context, EvaluatorSettings(**settings)) as evaluator:
        for trial in range(evaluator.num_workers):
            evaluator.start(Assignment(trial, 1, {}, str(tmp_path / str(trial))))
        ends = []
        while len(ends) < evaluator.num_workers:
            ends += evaluator.wait(1.0)
    return sorted(end.facts["seen"] for end in ends)


@pytest.mark.parametrize(
    ("visible", "settings", "seen"),
    [
        ("0,1", {}, ["0", "1"]),
        ("3,5", {"num_workers": 1}, ["3"]),
        ("0,1,2,3", {"num_workers": 2}, ["0", "2"]),
        ("4,7", {"shape": TrialShape(gpus=0.5), "num_workers": 4}, ["4", "4", "7", "7"]),
        ("0,1,2,3", {"shape": TrialShape(gpus=2)}, ["0,1", "2,3"]),
        ("0,1", {"shape": TrialShape(gpus=0), "num_workers": 2}, ["", ""]),
    ],
)
def test_each_trial_sees_its_own_gpus(tmp_path, monkeypatch, visible, settings, seen):
    assert devices_of_workers(tmp_path, monkeypatch, visible, **settings) == seen


def test_gpus_of_amd_are_shown_by_the_variable_of_their_site(tmp_path, monkeypatch):
    assert devices_of_workers(tmp_path, monkeypatch, "4,6", "ROCR_VISIBLE_DEVICES") == ["4", "6"]


@pytest.mark.parametrize(
    ("visible", "settings", "said"),
    [
        ("", {"shape": TrialShape(gpus=1)}, "no GPU here"),
        ("0", {"shape": TrialShape(gpus=-1)}, "give 0 or more"),
        ("0", {"shape": TrialShape(gpus=1e-9)}, "give 0, or at least 0.0001"),
        ("0", {"shape": TrialShape(gpus=2)}, "there are 1 GPUs"),
        ("0,1", {"num_workers": 3}, "2 GPUs hold 2 trials"),
    ],
)
def test_gpus_that_are_not_there_are_refused(tmp_path, monkeypatch, visible, settings, said):
    monkeypatch.setattr(devices, "DEVICE_FILES", ("null",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=said):
        ProcessEvaluator(RunContext("small_run.run", {}, str(tmp_path)), EvaluatorSettings(**settings))


def test_a_number_of_workers_that_no_machine_holds_is_refused_before_any_starts(tmp_path):
    before = psutil.Process().children()
    with pytest.raises(UserError, match=r"--num-workers 99999999: this machine has .* lower it"):
        ProcessEvaluator(
            RunContext("small_run.run", {}, str(tmp_path)), EvaluatorSettings(num_workers=99999999)
        )
    assert psutil.Process().children() == before


def test_a_worker_that_dies_at_its_start_is_replaced_only_when_a_trial_needs_it(samples, tmp_path):
    before = set(psutil.Process().children())
    context = RunContext("crashing_import.run", {}, str(tmp_path), [*sys.path, str(samples)])
    with ProcessEvaluator(context, EvaluatorSettings(num_workers=2)) as evaluator:
        for attempt in range(1, 4):
            evaluator.start(Assignment(0, attempt, {}, str(tmp_path / "trial")))
            ends = []
            while not ends:
                ends = evaluator.wait(1.0)
            assert [(end.attempt, end.state) for end in ends] == [(attempt, State.LOST)]
        assert evaluator.wait(0.3) == []
        assert set(psutil.Process().children()) <= before  # servers of other tests may run


def test_a_trial_for_which_no_worker_can_be_started_is_lost(samples, tmp_path, monkeypatch):
    context = RunContext("small_run.run", {}, str(tmp_path), [*sys.path, str(samples)])
    with ProcessEvaluator(context, EvaluatorSettings(num_workers=1)) as evaluator:
        evaluator._workers[0]._process.kill()
        while not evaluator._dead:
            evaluator.wait(1.0)
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        evaluator.start(Assignment(0, 1, {}, str(tmp_path / "trial")))
        (end,) = evaluator.wait(1.0)
        assert (end.state, "no worker could be started" in end.reason) == (State.LOST, True)
        monkeypatch.undo()
        evaluator.start(Assignment(0, 2, {"x": 3.0}, str(tmp_path / "trial")))
        while not (ends := evaluator.wait(1.0)):
            pass
        assert ends[0].objective == 0.0
