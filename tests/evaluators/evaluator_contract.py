"""What every evaluator promises; an evaluator's test class inherits it and says how to make one."""

import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psutil
import pytest

from dh_project.assignment import Assignment, Setting
from dh_project.evaluators.base import Evaluator, Resources
from dh_project.trial import Ended, Reported, State
from dh_project.worker import START


def workers() -> list[psutil.Process]:
    """Return the worker processes below this one, without the trials that they run."""
    below = [process for process in psutil.Process().children(recursive=True) if process.status() != "zombie"]
    found = [process for process in below if START in process.cmdline()]
    return [worker for worker in found if worker.parent() not in found]


class EvaluatorContract(ABC):
    @abstractmethod
    def make(self, setting: Setting, resources: Resources) -> Evaluator:
        """Return the evaluator under test."""

    @pytest.fixture
    def evaluator(self, request, samples, tmp_path):
        """An evaluator of two workers that run the sample function which the test's parameter names."""
        setting = Setting(f"small_run.{request.param}", {}, str(tmp_path), [*sys.path, str(samples)])
        with self.make(setting, Resources(num_workers=2)) as evaluator:
            yield evaluator

    @pytest.fixture
    def assign(self, tmp_path):
        def assign(trial, attempt=1, **more):
            folder = str(tmp_path / "trials" / f"{trial}-{attempt}")
            return Assignment(trial, attempt, {"x": float(trial), "activation": "relu"}, folder, **more)

        return assign

    @staticmethod
    def collect(evaluator, ends: int) -> list:
        events: list = []
        limit = time.monotonic() + 60
        while sum(isinstance(event, Ended) for event in events) < ends and time.monotonic() < limit:
            events += evaluator.wait(1.0)
        return events

    @pytest.mark.parametrize("evaluator", ["run"], indirect=True)
    def test_each_attempt_ends_once_and_slots_serve_again(self, evaluator, assign):
        events = []
        for first in range(0, 6, 2):
            evaluator.start(assign(first))
            evaluator.start(assign(first + 1))
            events += self.collect(evaluator, 2)
        assert sorted((e.trial, e.objective) for e in events) == [(n, -abs(n - 3.0)) for n in range(6)]
        assert evaluator.wait(0.2) == []

    @pytest.mark.parametrize("evaluator", ["tell"], indirect=True)
    def test_reports_come_in_order_before_the_end(self, evaluator, assign):
        evaluator.start(assign(0))
        events = self.collect(evaluator, 1)
        assert [e.step for e in events if isinstance(e, Reported)] == [1, 2, 3]
        assert isinstance(events[-1], Ended)

    @pytest.mark.parametrize("evaluator", ["crash"], indirect=True)
    def test_a_crash_is_a_failure_and_the_slot_serves_again(self, evaluator, assign):
        for trial in range(3):
            evaluator.start(assign(trial))
            (end,) = self.collect(evaluator, 1)
            assert (end.state, end.reason) == (State.FAILED, "killed by SIGABRT")

    @pytest.mark.parametrize("evaluator", ["hang"], indirect=True)
    def test_a_killed_trial_ends_in_the_state_asked_for(self, evaluator, assign, tmp_path):
        evaluator.start(assign(0))
        while not (tmp_path / "trials" / "0-1" / "grandchild").exists():
            evaluator.wait(0.1)
        evaluator.kill(0, State.PAUSED, "enough")
        (end,) = self.collect(evaluator, 1)
        assert (end.state, end.reason) == (State.PAUSED, "enough")

    @pytest.mark.parametrize("evaluator", ["hang"], indirect=True)
    def test_a_trial_may_be_killed_as_soon_as_it_is_started(self, evaluator, assign):
        for attempt in range(1, 6):
            evaluator.start(assign(0, attempt=attempt))
            evaluator.kill(0, State.CANCELLED, "at once")
            (end,) = self.collect(evaluator, 1)
            assert (end.attempt, end.state) == (attempt, State.CANCELLED)

    @pytest.mark.parametrize("evaluator", ["hang"], indirect=True)
    def test_a_time_limit_travels_with_the_trial(self, evaluator, assign):
        evaluator.start(assign(0, time_limit=0.5))
        (end,) = self.collect(evaluator, 1)
        assert end.state is State.TIMEOUT

    @pytest.mark.parametrize("evaluator", ["report_until_stopped"], indirect=True)
    def test_a_trial_whose_worker_dies_is_lost_and_the_slot_serves_again(self, evaluator, assign):
        evaluator.start(assign(0))
        while not any(isinstance(event, Reported) for event in evaluator.wait(1.0)):
            pass
        for worker in workers():
            worker.kill()
        end = self.collect(evaluator, 1)[-1]
        assert (end.trial, end.state) == (0, State.LOST)
        evaluator.start(assign(0, attempt=2))
        while not any(isinstance(event, Reported) and event.attempt == 2 for event in evaluator.wait(1.0)):
            pass

    @pytest.mark.parametrize("evaluator", ["hang"], indirect=True)
    def test_closing_leaves_no_process(self, evaluator, assign, tmp_path):
        evaluator.start(assign(0))
        mark = tmp_path / "trials" / "0-1" / "grandchild"
        while not (mark.exists() and mark.read_text()):
            evaluator.wait(0.1)
        evaluator.close()
        stat = Path(f"/proc/{mark.read_text()}/stat")
        limit = time.monotonic() + 5
        while stat.exists() and " Z " not in stat.read_text() and time.monotonic() < limit:
            time.sleep(0.05)
        assert not stat.exists() or " Z " in stat.read_text()
        assert not workers()
