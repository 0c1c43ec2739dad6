"""Contract tests of evaluators: they check the promises of ``dh_project.evaluators.base`` with real processes.

To test an evaluator of your own, inherit the class in a test module, define ``make``, and run pytest::

    from dh_project.testing.evaluator import EvaluatorContract

    class TestMyEvaluator(EvaluatorContract):
        @classmethod
        def make(cls, context, settings):
            return MyEvaluator(context, settings)

To see values in failed assertions, call ``pytest.register_assert_rewrite("dh_project.testing.evaluator")`` in the
``conftest.py`` beside it. The run functions are in ``dh_project.testing.runs``. All tests share one evaluator with
two workers, so that each test also checks that the workers can be used again. After the last test, closing the
evaluator must leave no process. The workers must run on this machine, because the tests look for their processes,
and must import the same ``dh_project`` as the tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from dh_project.evaluators.base import Evaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.testing.runs import AT_EXIT, CHECKPOINT, PROCESSES, UNFLUSHED
from dh_project.trial.attempt import LOG, Assignment, RunContext
from dh_project.trial.criterion import Criterion
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import Cause, State
from dh_project.worker.trial_log import LIMIT

PATIENCE = 60.0
"""Seconds after which a test stops waiting for an event."""

DEATHS = [
    ("raise_an_error", State.FAILED, Cause.EXCEPTION),
    ("leave", State.FAILED, Cause.EXIT),
    ("leave_at_once", State.FAILED, Cause.EXIT),
    ("abort", State.FAILED, Cause.SIGNAL),
    ("kill_itself", State.FAILED, Cause.SIGNAL),
    ("return_nan", State.FAILED, Cause.NOT_FINITE),
    ("return_text", State.FAILED, Cause.NO_NUMBER),
    ("say_failure", State.FAILED, Cause.SAID),
    ("raise_memory_error", State.MEMORY, None),
    ("find_the_disk_full", State.LOST, None),
    ("terminate_itself", State.LOST, None),
]
"""Run functions that die, with the resulting states and causes."""

_ids = count()


class Trials:
    """Starts trials in an evaluator and collects their events.

    Args:
        evaluator: The evaluator under test.
        folder: Parent of the trials' folders.

    Attributes:
        events: All events so far.
    """

    def __init__(self, evaluator: Evaluator, folder: Path) -> None:
        self.evaluator, self.folder = evaluator, folder
        self.events: list[Event] = []
        self.started: list[Assignment] = []

    def start(self, do: str, x: float = 0.0, **limits: Any) -> Assignment:
        """Start a trial with the run function of this name in ``dh_project.testing.runs``."""
        trial = next(_ids)
        return self._start(
            Assignment(trial, 1, {"do": do, "x": x}, str(self.folder / f"trial-{trial}"), **limits)
        )

    def start_again(self, assignment: Assignment) -> Assignment:
        """Start the next attempt at a trial."""
        attempt = assignment.attempt + 1
        return self._start(
            replace(assignment, attempt=attempt, folder=f"{assignment.folder}-attempt-{attempt}")
        )

    def _start(self, assignment: Assignment) -> Assignment:
        self.started.append(assignment)
        self.evaluator.start(assignment)
        return assignment

    def ends(self) -> list[Ended]:
        """Wait until all started trials have ended, and return their ends."""
        return self._until(lambda: len(self._of(Ended)) >= len(self.started))._of(Ended)

    def end(self) -> Ended:
        """Wait for the end of the only trial and return it."""
        (end,) = self.ends()
        return end

    def report(self) -> Trials:
        """Wait for the first report."""
        return self._until(lambda: bool(self._of(Reported)))

    def processes(self, assignment: Assignment) -> Any:
        """Return the process ids of a trial that has reported: that of its worker, and all."""
        path, limit = Path(assignment.folder) / PROCESSES, time.monotonic() + PATIENCE
        while not path.exists() and time.monotonic() < limit:  # it is copied from scratch a little later
            time.sleep(0.02)
        return json.loads(path.read_text())

    def _of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def _until(self, is_so: Callable[[], bool]) -> Trials:
        limit = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < limit, f"no more events in {PATIENCE} s than {self.events}"
            self.events += self.evaluator.wait(1.0)
        return self


def assert_dead(ids: list[int], seconds: float = 5.0) -> None:
    """Check that processes end within so many seconds."""
    limit = time.monotonic() + seconds
    while (alive := [pid for pid in ids if _is_alive(pid)]) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not alive


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class EvaluatorContract(ABC):
    """Tests of the contract; a subclass defines ``make``.

    Attributes:
        rounds: Number of times that both workers get a trial in the first test. Reduce it if a start takes seconds.
    """

    rounds = 20

    @classmethod
    @abstractmethod
    def make(cls, context: RunContext, settings: EvaluatorSettings) -> Evaluator:
        """Return the evaluator under test."""

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        """Run function and surroundings of all trials."""
        return RunContext("dh_project.testing.runs.run", {}, str(tmp_path_factory.mktemp("here")), sys.path)

    @pytest.fixture(scope="class")
    @classmethod
    def evaluator(cls, context: RunContext) -> Iterator[Evaluator]:
        """An evaluator with two workers; after the last test, closing it must leave no process."""
        evaluator = cls.make(context, EvaluatorSettings(num_workers=2))
        try:
            yield evaluator
            trials = Trials(evaluator, Path(context.directory))
            assignment = trials.start("hang")
            processes = trials.report().processes(assignment)
        finally:
            evaluator.close()
            evaluator.close()
        assert_dead(processes["all"])

    @pytest.fixture
    def trials(self, evaluator: Evaluator, tmp_path: Path) -> Iterator[Trials]:
        """Trials of one test; those that still run at its end are killed."""
        trials = Trials(evaluator, tmp_path)
        yield trials
        for assignment in trials.started:
            evaluator.kill(assignment.trial, State.CANCELLED, "the test is over")
        trials.ends()

    # ---- trials that end by themselves

    def test_each_trial_ends_once_with_its_own_objective(self, trials: Trials) -> None:
        """Many trials share two workers; no result is lost, doubled or mixed up."""
        for _ in range(self.rounds):
            trials.start("square", x=float(len(trials.started)))
            trials.start("square", x=float(len(trials.started)))
            trials.ends()
        wanted = {(each.trial, each.point["x"] ** 2) for each in trials.started}
        assert {(end.trial, end.objective) for end in trials.ends()} == wanted
        assert len(trials.events) == len(wanted)
        assert trials.evaluator.wait(0.2) == []

    def test_facts_come_with_the_end(self, trials: Trials) -> None:
        """The end has the recorded facts and the name of the worker."""
        trials.start("square", x=2.0)
        assert trials.end().facts == {"twice": 4.0}
        assert trials.end().worker

    def test_reports_come_in_order_before_the_end(self, trials: Trials) -> None:
        """The end is the last event of a trial."""
        trials.start("report_three_times")
        trials.end()
        heard = [event.objective for event in trials.events if isinstance(event, Reported | Ended)]
        assert heard == [1.0, 2.0, 3.0, 3.0]

    @pytest.mark.parametrize(("do", "state", "cause"), DEATHS)
    def test_a_death_has_its_state_and_cause(
        self, trials: Trials, do: str, state: State, cause: Cause | None
    ) -> None:
        """Each way to die has its own state and cause, and no objective."""
        trials.start(do)
        end = trials.end()
        assert (end.state, end.cause, end.objective) == (state, cause, None)
        assert end.reason

    # ---- a trial is like a fresh process

    def test_each_trial_draws_its_own_random_numbers_and_repeats_them(self, trials: Trials) -> None:
        """They depend on the trial and not on the attempt, its worker, or the trials before it."""
        first = trials.start("draw_numbers")
        trials.ends()
        trials.start("draw_numbers")
        trials.ends()
        trials.start_again(first)
        one, other, again = (end.facts for end in trials.ends())
        assert again == one
        assert not set(one.values()) & set(other.values())
        assert len(set(one.values())) == len(one)

    def test_a_trial_ends_as_a_process_does(self, trials: Trials) -> None:
        """Its exit functions run, and its open files are written, before the end is told."""
        assignment = trials.start("leave_files_open", x=3.0)
        assert trials.end().state is State.DONE
        assert (Path(assignment.folder) / UNFLUSHED).read_text() == "3.0"
        assert (Path(assignment.folder) / AT_EXIT).read_text() == "3.0"

    def test_a_log_keeps_its_beginning_and_its_end(self, trials: Trials) -> None:
        """The output of a trial and its child processes is limited, and the last words of a killed trial are kept."""
        assignment = trials.start("print_much", x=1.25 * LIMIT)
        assert trials.end().cause is Cause.SIGNAL
        log = (Path(assignment.folder) / LOG).read_bytes()
        assert len(log) < LIMIT
        assert log.startswith(b"first words\n")
        assert log.endswith(b"last words\n")

    # ---- limits

    def test_a_time_limit_holds(self, trials: Trials) -> None:
        """A trial that hangs is killed with its children."""
        assignment = trials.start("hang", time_limit=2.0)
        assert trials.end().state is State.TIMEOUT
        assert_dead(trials.processes(assignment)["all"][1:])

    def test_a_memory_limit_holds_for_a_trial_and_its_children_together(self, trials: Trials) -> None:
        """Neither of its two processes exceeds the limit alone."""
        trials.start("take_memory", x=600 * 2**20, memory_limit=500 * 2**20)
        assert trials.end().state is State.MEMORY
        assert "GiB" in str(trials.end().reason)

    def test_a_trial_that_records_without_end_is_held_to_its_limits(self, trials: Trials) -> None:
        """It makes neither its worker nor the evaluator deaf, and its row stays a row."""
        trials.start("record_without_end", time_limit=1.0)
        end = trials.end()
        assert end.state is State.TIMEOUT
        assert sum(len(str(value)) for value in end.facts.values()) < 2**22
        assert "left out" in end.facts["huge"]
        assignment = trials.start("record_without_end")
        trials.evaluator.kill(assignment.trial, State.CANCELLED, "not wanted", 0.2)
        assert trials.ends()[-1].state is State.CANCELLED

    # ---- stop, pause, kill

    def test_a_stopped_trial_has_its_objective(self, trials: Trials) -> None:
        """The answer to a report tells it to stop."""
        assignment = trials.start("report_until_told")
        trials.report().evaluator.stop(assignment.trial, after=0)
        end = trials.end()
        assert (end.state, (end.objective or 0.0) >= 1.0) == (State.STOPPED, True)

    def test_a_trial_parks_at_the_step_that_its_assignment_names(self, trials: Trials) -> None:
        """It reports no later step, and no order is needed."""
        trials.start("report_until_told", until=3)
        end, steps = trials.end(), [event.step for event in trials.events if isinstance(event, Reported)]
        assert (end.state, steps) == (State.PARKED, [1, 2, 3])

    def test_a_parked_trial_has_its_objective_and_its_checkpoint(self, trials: Trials) -> None:
        """The next attempt can go on from it."""
        assignment = trials.start("report_until_told", until=2)
        end = trials.end()
        assert (end.objective or 0.0) >= 1.0
        assert (Path(assignment.folder) / CHECKPOINT).exists()

    def test_a_trial_ends_at_the_report_that_meets_a_criterion(self, trials: Trials) -> None:
        """It is done, and no order is needed. A fact counts if it was recorded before the report."""
        criteria = [Criterion("step", ">=", 9), Criterion("loss", "<=", 0.25)]
        trials.start("record_and_report_until_told", criteria=criteria, until=9)
        end, steps = trials.end(), [event.step for event in trials.events if isinstance(event, Reported)]
        assert (end.state, end.objective, steps) == (State.DONE, -0.25, [1, 2, 3, 4])

    def test_a_resumed_trial_goes_on_and_keeps_its_newest_checkpoint_only(self, trials: Trials) -> None:
        """A thousand parked trials hold a thousand checkpoints."""
        first = trials.start("report_until_told", until=2, keeps_checkpoints=False)
        trials.end()
        second = trials.start_again(replace(first, until=4, previous_folders=[first.folder]))
        trials.ends()
        assert [event.step for event in trials.events if isinstance(event, Reported)] == [1, 2, 3, 4]
        assert not (Path(first.folder) / CHECKPOINT).exists()
        assert (Path(second.folder) / CHECKPOINT).exists()

    def test_one_that_takes_no_notice_of_the_answer_is_done(self, trials: Trials) -> None:
        """It has run to its end, and its objective is final."""
        trials.start("report_three_times", until=2)
        assert (trials.end().state, trials.end().objective) == (State.DONE, 3.0)

    def test_one_that_ends_before_the_step_is_done(self, trials: Trials) -> None:
        """There is nothing to resume."""
        trials.start("report_and_return", until=9)
        assert trials.end().state is State.DONE

    def test_one_that_fails_while_it_parks_has_failed(self, trials: Trials) -> None:
        """It has no objective to compare."""
        trials.start("report_and_fail", until=1)
        assert trials.end().state is State.FAILED

    def test_one_that_is_not_told_to_stop_is_done(self, trials: Trials) -> None:
        """A trial that reports no more gets no answer and no signal."""
        assignment = trials.start("report_and_return")
        trials.report().evaluator.stop(assignment.trial, after=0)
        assert (trials.end().state, trials.end().objective) == (State.DONE, 1.0)

    def test_a_paused_trial_saves_first(self, trials: Trials) -> None:
        """The answer to a report tells it to pause; the number that it returns afterwards is not its result."""
        assignment = trials.start("report_until_told")
        trials.report().evaluator.kill(assignment.trial, State.PAUSED, "enough", PATIENCE)
        end = trials.end()
        assert (end.state, end.reason, end.objective) == (State.PAUSED, "enough", None)
        assert (Path(assignment.folder) / CHECKPOINT).exists()

    def test_one_that_returns_before_it_is_told_to_pause_is_done(self, trials: Trials) -> None:
        """A result is never discarded."""
        assignment = trials.start("report_and_return")
        trials.report().evaluator.kill(assignment.trial, State.PAUSED, "enough", PATIENCE)
        assert (trials.end().state, trials.end().objective) == (State.DONE, 1.0)

    def test_patience_ends(self, trials: Trials) -> None:
        """A trial that reports no more is paused by a signal; a second kill does not extend its time."""
        assignment = trials.start("hang")
        began = time.monotonic()
        trials.report().evaluator.kill(assignment.trial, State.PAUSED, "enough", 0.5)
        trials.evaluator.kill(assignment.trial, State.CANCELLED, "too late", PATIENCE)
        assert (trials.end().state, trials.end().reason) == (State.PAUSED, "enough")
        assert 0.5 <= time.monotonic() - began < PATIENCE / 2

    def test_a_second_kill_may_take_the_patience_away(self, trials: Trials) -> None:
        """The first kill determines the state."""
        assignment = trials.start("hang")
        began = time.monotonic()
        trials.report().evaluator.kill(assignment.trial, State.PAUSED, "enough", PATIENCE)
        trials.evaluator.kill(assignment.trial, State.PAUSED, "at once")
        assert (trials.end().state, trials.end().reason) == (State.PAUSED, "enough")
        assert time.monotonic() - began < PATIENCE / 2

    def test_the_children_of_a_killed_trial_end_with_it(self, trials: Trials) -> None:
        """This includes a child that ignores SIGTERM, and one in a session of its own."""
        assignment = trials.start("hang")
        trials.report().evaluator.kill(assignment.trial, State.CANCELLED, "not wanted")
        assert (trials.end().state, trials.end().reason) == (State.CANCELLED, "not wanted")
        assert_dead(trials.processes(assignment)["all"][1:])

    def test_a_trial_may_be_killed_as_soon_as_it_is_started(self, trials: Trials) -> None:
        """An order never overtakes the start."""
        for _ in range(5):
            assignment = trials.start("hang")
            trials.evaluator.kill(assignment.trial, State.CANCELLED, "at once")
            assert trials.ends()[-1].state is State.CANCELLED

    def test_orders_to_a_trial_that_has_ended_are_ignored(self, trials: Trials) -> None:
        """The orders come too late, or reach a later trial in the same worker."""
        before = trials.start("square")
        trials.end()
        trials.start("report_and_return")
        trials.evaluator.stop(before.trial, after=0)
        trials.evaluator.kill(before.trial, State.CANCELLED, "too late")
        assert trials.ends()[-1].state is State.DONE

    # ---- disasters

    def test_a_trial_whose_worker_is_killed_is_lost(self, trials: Trials) -> None:
        """No process of it survives, and both workers can be used again."""
        assignment = trials.start("hang")
        processes = trials.report().processes(assignment)
        os.kill(processes["worker"], signal.SIGKILL)
        assert (trials.end().state, trials.end().cause) == (State.LOST, None)
        assert_dead(processes["all"])
        trials.start("square")
        trials.start("square")
        assert [end.state for end in trials.ends()[1:]] == [State.DONE, State.DONE]
