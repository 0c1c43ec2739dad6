"""The search loop with scripted events: its records, starts, messages and refusals, and its end."""

import csv
import json
import os
import signal
from itertools import pairwise
from unittest.mock import ANY

import pytest
from file_layer import FileLayer
from scripted_evaluator import SILENT, Clock, ScriptedEvaluator, called, done, ended, ends, reported
from scripted_search import scripted_search

from dh_project.common.errors import UserError
from dh_project.evaluators.base import NoWorkersLeft
from dh_project.hps.limits import LAST_SECONDS, PATIENCE_SECONDS, STOP_SECONDS
from dh_project.hps.loop import ALIVE_SECONDS, POLL_SECONDS
from dh_project.hps.losses import MOST_LOSSES
from dh_project.hps.observer import Observer
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.stoppers.base import Stopper
from dh_project.hps.warm_start import WarmStart
from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths
from dh_project.trial.events import Retried
from dh_project.trial.trial import State
from dh_project.worker.trial_process import GRACE_SECONDS


class Unseen(Observer):
    """An observer that looks away."""


class Sight(Unseen):
    """An observer that keeps the trials that it was told are over."""

    def __init__(self):
        self.ids = []

    def ended(self, trial):
        self.ids.append(trial.id)


class Asked(RandomSearcher):
    """A random searcher that keeps the arguments of its calls."""

    name = "asked"

    def __init__(self, problem, seed):
        super().__init__(problem, seed)
        self.calls = []

    def propose(self, number, count, ended, pending):
        told = [(trial.point["x"], trial.objective) for trial in ended]
        self.calls.append((number, told, [trial.point["x"] for trial in pending]))
        return super().propose(number, count, ended, pending)


class AtStep(Stopper):
    """Ends each trial at its report of a step."""

    name = "at a step"

    def __init__(self, step):
        self.step = step

    def goes_on(self, trial):
        return trial.reports[-1][0] != self.step


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture
def evaluator(clock):
    """Return a function that makes an evaluator of scripts."""
    return lambda *scripts, **more: ScriptedEvaluator(clock, *scripts, **more)


@pytest.fixture
def search(tmp_path):
    """Return a function that makes a session of one search in ``tmp_path``."""

    def search(evaluator, observer=None, stopper=None, sources=(), **more):
        return scripted_search(
            tmp_path, evaluator, observer=observer, stopper=stopper, sources=sources, **more
        )

    return search


def rows(folder):
    with (folder / "results.csv").open(newline="") as file:
        return [(int(row["job_id"]), row["job_status"]) for row in csv.DictReader(file)]


def kinds(folder, *wanted):
    return [record["kind"] for record in scan(folder / "journal.jsonl")[0] if record["kind"] in wanted]


# ---- records are written before actions


def test_a_trial_starts_when_its_start_is_on_record(search, evaluator, tmp_path):
    scripted, on_record = evaluator(done(), num_workers=2), []

    def start(assignment, really=scripted.start):
        running = History.read(tmp_path).running
        on_record.append(assignment.trial in running and running[assignment.trial].point == assignment.point)
        really(assignment)

    scripted.start = start
    search(scripted, max_evals=5).run()
    assert on_record == [True] * 5


def test_a_trial_is_told_to_stop_when_the_report_that_says_why_is_on_record(search, evaluator, tmp_path):
    scripted, on_record = evaluator([(1.0, reported(1, 0.5)), (2.0, reported(2, 0.6))]), []

    def stop(trial, after, really=scripted.stop):
        on_record.append(History.read(tmp_path).trials[trial].reports)
        really(trial, after)

    scripted.stop = stop
    session = search(scripted, stopper=AtStep(1), max_evals=1)
    session.run()
    assert on_record == [[(1, 0.5)]]
    assert (session.history.trials[0].state, session.history.trials[0].objective) == (State.STOPPED, 0.6)


def test_a_turn_of_the_loop_costs_one_fsync(search, evaluator, tmp_path, monkeypatch):
    session = search(evaluator(done(), num_workers=10), max_evals=10)
    layer = FileLayer(monkeypatch)
    session.run()
    assert layer.of(tmp_path / "journal.jsonl").count("fsync") == 4  # it begins; ten start; ten end; it ends


# ---- no worker left


@pytest.mark.parametrize("running", [1, 3])
def test_when_no_worker_is_left_the_session_ends_and_what_ran_waits(search, evaluator, running):
    scripts = [*[SILENT] * (running - 1), [(5.0, NoWorkersLeft("all nodes are down"))]]
    session = search(evaluator(*scripts, num_workers=running), max_retries=0)
    assert session.run() == ("losses", "all nodes are down")
    trials = session.history.trials.values()
    assert [(trial.state, trial.losses) for trial in trials] == [(State.PAUSED, 0)] * running


def test_trials_for_which_no_worker_was_left_go_on_in_the_next_session(search, evaluator):
    search(evaluator([(5.0, NoWorkersLeft("gone"))]), max_evals=1, max_retries=0).run()
    session = search(evaluator(done()), max_evals=1)
    session.run()
    assert [(trial.attempt, trial.state) for trial in session.history.ended] == [(2, State.DONE)]


# ---- events of attempts that are over


@pytest.mark.parametrize("late", [reported(7, 9.0), ended(State.DONE, 9.0)])
def test_late_words_of_an_attempt_that_was_lost_are_refused(search, evaluator, tmp_path, late, caplog):
    lost = [(1.0, ended(State.LOST)), (3.0, late)]
    session = search(evaluator(lost, done(2.0, after=5.0)), max_evals=1)
    session.run()
    trial = session.history.trials[0]
    assert (trial.attempt, trial.state, trial.objective, trial.reports) == (2, State.DONE, 2.0, [])
    assert History.read(tmp_path).trials[0] == trial
    assert "ignored an event" in caplog.text


@pytest.mark.parametrize("late", [reported(7, 9.0), ended(State.DONE, 9.0)])
def test_what_is_heard_of_a_trial_after_its_end_is_refused(search, evaluator, tmp_path, late):
    search(evaluator([*done(1.0), (1.5, late)], done(after=5.0)), max_evals=2).run()
    ends_on_record = [(trial.id, trial.objective, trial.reports) for trial in History.read(tmp_path).ended]
    assert ends_on_record == [(0, 1.0, []), (1, 1.0, [])]


# ---- losses


def test_a_lost_trial_is_attempted_again_as_often_as_is_allowed(search, evaluator):
    session = search(evaluator(ends(State.LOST)), max_evals=1, max_retries=2)
    session.run()
    trial = session.history.trials[0]
    assert (trial.attempt, trial.losses, trial.state) == (3, 3, State.LOST)


def come(number):
    """Return the coming of a signal to this process."""
    return called(lambda: os.kill(os.getpid(), number))


def test_a_loss_at_a_signal_is_a_pause_and_no_retry(search, evaluator):
    script = [(1.0, come(signal.SIGTERM)), (1.0, ended(State.LOST))]
    session = search(evaluator(script), max_evals=1, max_retries=0)
    assert session.run().kind == "signal"
    assert (session.history.trials[0].state, session.history.trials[0].losses) == (State.PAUSED, 0)


def test_a_loss_while_the_session_ends_is_a_pause_and_no_retry(search, evaluator):
    scripted = evaluator([(11.0, ended(State.LOST))], is_deaf=True)
    session = search(scripted, max_evals=1, max_retries=0, timeout=10.0)
    assert session.run().kind == "timeout"
    assert (session.history.trials[0].state, session.history.trials[0].losses) == (State.PAUSED, 0)


def test_more_losses_in_a_row_than_workers_and_some_end_a_session(search, evaluator):
    session = search(evaluator(ends(State.LOST)), max_retries=1000)
    ending = session.run()
    assert (ending.kind, ending.reason.split()[0]) == ("losses", str(MOST_LOSSES + 2))


def test_each_worker_may_be_lost_once_more_before_a_session_ends(search, evaluator):
    losses = [ends(State.LOST)] * (MOST_LOSSES + 5)
    session = search(evaluator(*losses, done(), num_workers=5), max_evals=3, max_retries=1000)
    assert session.run().kind == "complete"


def test_a_lack_of_processes_that_lasts_some_seconds_does_not_use_up_all_retries(search, evaluator, clock):
    lacks_until = clock() + 10.0

    def begins(assignment):
        return ended(
            State.LOST if clock() < lacks_until else State.DONE, 1.0 if clock() >= lacks_until else None
        )(assignment)

    session = search(evaluator([(0.0, begins)]), max_evals=1, max_retries=4)
    session.run()
    trial = session.history.trials[0]
    assert (trial.state, trial.losses, trial.attempt) == (State.DONE, 4, 5)


def test_rests_grow_with_the_losses_in_a_row_and_end_with_a_sign_of_life(search, evaluator, clock):
    began = []
    lost = [(0.0, lambda a: began.append(clock()) or ended(State.LOST)(a))]
    fine = [(0.0, lambda a: began.append(clock()) or ended(State.DONE, 1.0)(a))]
    search(evaluator(*[lost] * 8, fine, fine), max_evals=2, max_retries=1000).run()
    rests = [later - earlier for earlier, later in pairwise(began)]
    assert rests == pytest.approx([1, 2, 4, 5, 5, 5, 5, 5, 0], abs=POLL_SECONDS + 0.1)


@pytest.mark.parametrize("sign", [reported(1, 0.5), ended(State.FAILED)])
def test_a_sign_of_life_interrupts_a_row_of_losses(search, evaluator, sign):
    row = [ends(State.LOST)] * MOST_LOSSES
    between = [(0.5, sign), (1.0, ended(State.LOST))]
    session = search(evaluator(*row, between, *row, done()), max_evals=2, max_retries=1000)
    assert session.run().kind == "complete"


# ---- the stopper's word


def test_an_adopted_trial_that_is_to_stop_is_told_again(search, evaluator, clock):
    first = evaluator([(1.0, reported(1, 0.5))], outliving=[0])
    first.stop = lambda trial, after: None  # the driver dies before its word goes out
    search(first, stopper=AtStep(1), max_evals=1, ends_at=clock() + 3.0, margin=1.5).run()
    second = evaluator([(1.0, reported(3, 0.7)), (9.0, ended(State.DONE, 9.0))], outliving=[0])
    session = search(second, stopper=AtStep(1), max_evals=1)
    session.run()
    assert (second.started, second.told) == ([], [("stop", 0, 1)])
    trial = session.history.trials[0]
    assert (trial.attempt, trial.state, trial.objective) == (1, State.STOPPED, 0.7)


def test_an_adopted_trial_that_is_to_go_on_is_told_nothing(search, evaluator, clock):
    first = evaluator(SILENT, outliving=[0])
    search(first, stopper=AtStep(1), max_evals=1, ends_at=clock() + 3.0, margin=1.5).run()
    second = evaluator(done(), outliving=[0])
    session = search(second, stopper=AtStep(1), max_evals=1)
    session.run()
    assert (second.started, second.told) == ([], [])
    assert [(trial.attempt, trial.state) for trial in session.history.ended] == [(1, State.DONE)]


def test_what_an_adopted_trial_had_reported_before_is_recorded_once(search, evaluator, clock, tmp_path):
    search(evaluator([(1.0, reported(1, 0.5))], outliving=[0]), ends_at=clock() + 3.0, margin=1.5).run()
    again = [(0.5, reported(1, 0.5)), (1.0, reported(2, 0.6)), *done(after=2.0)]
    search(evaluator(again, outliving=[0]), max_evals=1).run()
    assert History.read(tmp_path).trials[0].reports == [(1, 0.5), (2, 0.6)]


def test_a_trial_that_is_to_stop_is_told_so_in_its_next_attempt_too(search, evaluator):
    lost = [(1.0, reported(1, 0.5)), (5.0, ended(State.LOST))]
    again = [(1.0, reported(1, 0.5)), (2.0, reported(2, 0.6)), (3.0, ended(State.DONE, 9.0))]
    scripted = evaluator(lost, again)
    session = search(scripted, stopper=AtStep(1), max_evals=1)
    session.run()
    assert scripted.told == [("stop", 0, 1)] * 2
    trial = session.history.trials[0]
    assert (trial.attempt, trial.state, trial.objective) == (2, State.STOPPED, 0.6)


def test_a_trial_is_told_to_stop_once_with_the_first_step_that_was_judged_so(search, evaluator):
    class FromSecondStepOn(AtStep):
        def goes_on(self, trial):
            return trial.reports[-1][0] < 2

    reports = [(1.0, reported(step, 0.5)) for step in (1, 2, 3)]
    scripted = evaluator([*reports, (2.0, ended(State.DONE, 1.0))])
    search(scripted, stopper=FromSecondStepOn(0), max_evals=1).run()
    assert scripted.told == [("stop", 0, 2)]


def test_a_stopper_that_fails_stops_nothing_and_is_heard_of(search, evaluator, caplog):
    class Broken(AtStep):
        def goes_on(self, trial):
            raise RuntimeError("no verdict today")

    scripted = evaluator([(0.5, reported(1, 0.5)), *done()])
    session = search(scripted, stopper=Broken(1), max_evals=1)
    session.run()
    assert (scripted.told, session.history.trials[0].state) == ([], State.DONE)
    assert "no verdict today" in caplog.text


# ---- the user's wish for another attempt


def test_a_trial_that_is_attempted_again_has_one_row_of_its_last_end(search, evaluator, tmp_path):
    wanting = [(5.0, Retried(0, 1)), *done(after=9.0)]
    session = search(evaluator(ends(State.FAILED), wanting, done(4.0)), max_evals=3)
    session.run()
    assert sorted(rows(tmp_path)) == [(0, "DONE"), (1, "DONE"), (2, "DONE")]
    trial = session.history.trials[0]
    assert (trial.attempt, trial.state, trial.objective) == (2, State.DONE, 4.0)


def test_while_a_trial_is_attempted_again_it_has_no_row(search, evaluator, tmp_path):
    seen = []
    look = called(lambda: seen.append(rows(tmp_path)))
    wanting = [(5.0, Retried(0, 1)), (20.0, look), *done(after=25.0)]
    search(evaluator(ends(State.FAILED), done(), wanting, done(after=50.0), num_workers=2), max_evals=3).run()
    assert seen == [[(1, "DONE")]]


@pytest.mark.parametrize(
    ("first", "wish"),
    [
        (ends(State.FAILED), Retried(0, 2)),  # of an attempt that there was not
        (done(), Retried(0, 1)),  # it has an objective
        (ends(State.FAILED), Retried(1, 1)),  # it runs
    ],
)
def test_a_wish_that_comes_too_late_or_for_nothing_is_passed_over(search, evaluator, first, wish):
    scripted = evaluator(first, [(5.0, wish), *done(after=9.0)])
    search(scripted, max_evals=2).run()
    assert len(scripted.started) == 2


def test_a_wish_from_between_two_sessions_is_heard_though_all_trials_had_ended(search, evaluator, tmp_path):
    search(evaluator(ends(State.FAILED)), max_evals=1).run()
    session = search(evaluator(done(), wishes=[Retried(0, 1)]), max_evals=1)
    session.run()
    assert [(trial.attempt, trial.state) for trial in session.history.ended] == [(2, State.DONE)]
    assert rows(tmp_path) == [(0, "DONE")]


# ---- going on with a search


def test_an_end_that_no_driver_heard_of_is_taken_from_the_trial_s_folder(search, evaluator, tmp_path):
    first = search(evaluator(SILENT, is_deaf=True), max_evals=1, timeout=5.0)
    first.run()
    folder = SearchPaths(tmp_path).trial(0, 1)
    folder.mkdir(parents=True)
    result = {"trial": 0, "attempt": 1, "point": first.history.trials[0].point, "state": "done"}
    (folder / "dh-result.json").write_text(json.dumps({**result, "objective": 0.5, "facts": {}}))
    scripted, sight = evaluator(done()), Sight()
    session = search(scripted, sight, max_evals=1)
    session.run()
    assert (scripted.started, sight.ids, session.history.trials[0].objective) == ([], [0], 0.5)


def test_another_search_is_refused_changes_nothing_and_keeps_no_lock(search, evaluator, tmp_path):
    search(evaluator(done()), max_evals=1).run()
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(UserError, match="--seed was 1 there and is 2 now") as refused:
        search(evaluator(done()), seed=2, max_evals=2)
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    search(evaluator(done()), max_evals=2).run()
    del refused  # it had kept the refused session from being collected


# ---- arguments of the searcher


SOURCE = WarmStart("/old.csv", [({"x": 0.25}, 0.5), ({"x": 0.75}, None)], 0)


def test_the_searcher_is_told_what_another_search_found_and_then_its_own(search, evaluator):
    session = search(evaluator(done()), kind=Asked, sources=(SOURCE,), max_evals=2)
    session.run()
    told = [(number, told) for number, told, _ in session.searcher.calls]
    assert told == [(0, [(0.25, 0.5), (0.75, None)]), (1, [(0.25, 0.5), (0.75, None), (ANY, 1.0)])]


def test_a_session_that_goes_on_tells_what_another_search_found_too(search, evaluator):
    search(evaluator(done()), sources=(SOURCE,), max_evals=1).run()
    session = search(evaluator(done()), kind=Asked, max_evals=2)
    session.run()
    assert session.searcher.calls[0][1] == [(0.25, 0.5), (0.75, None), (ANY, 1.0)]


def test_what_another_search_found_is_recorded_once_over_all_sessions(search, evaluator, tmp_path):
    for total in (1, 2):
        search(evaluator(done()), sources=(SOURCE,), max_evals=total).run()
    assert kinds(tmp_path, "source") == ["source"]
    assert [(trial.point, trial.objective) for trial in History.read(tmp_path).known] == SOURCE.results


def test_the_searcher_is_told_of_trials_that_run_and_of_trials_that_wait(search, evaluator):
    first = search(evaluator(SILENT, num_workers=3), max_evals=9, timeout=5.0)
    first.run()
    interrupted = [trial.point["x"] for trial in first.history.trials.values()]
    session = search(evaluator(done(), num_workers=4), kind=Asked, max_evals=4)
    session.run()
    assert session.searcher.calls == [(3, [], interrupted)]


def test_starting_points_come_first_and_proposals_count_from_0(search, evaluator):
    session = search(evaluator(done()), kind=Asked, first=(0.5, 0.25), max_evals=4)
    session.run()
    assert [trial.point["x"] for trial in session.history.trials.values()][:2] == [0.5, 0.25]
    assert [number for number, _, _ in session.searcher.calls] == [0, 1]


def test_no_proposal_is_asked_for_that_no_trial_is_left_for(search, evaluator):
    class Learning(Asked):
        learns = True

    scripted = evaluator(done(), done(after=50.0), num_workers=2)
    session = search(scripted, kind=Learning, max_evals=2)
    session.run()
    assert len(session.searcher.calls) == 1


# ---- starts of trials


def test_trials_that_wait_start_before_new_ones(search, evaluator):
    search(evaluator(SILENT, num_workers=2), max_evals=9, timeout=5.0).run()
    scripted = evaluator(done())
    search(scripted, max_evals=4, timeout=100.0).run()
    assert [(each.trial, each.attempt) for each in scripted.started] == [(0, 2), (1, 2), (2, 1), (3, 1)]


def test_no_more_trials_start_than_may_still_end(search, evaluator):
    scripted = evaluator(done(), num_workers=4)
    search(scripted, max_evals=6).run()
    assert len(scripted.started) == 6


def test_an_attempt_has_a_folder_of_its_own_its_limits_and_what_those_before_left(
    search, evaluator, tmp_path
):
    paths = SearchPaths(tmp_path)

    def leave_a_checkpoint(assignment):
        folder = paths.trial(assignment.trial, assignment.attempt)
        folder.mkdir(parents=True)
        (folder / "checkpoint").touch()

    lost = [(0.5, leave_a_checkpoint), *ends(State.LOST)]
    scripted = evaluator(lost, lost, done())
    search(scripted, max_evals=1, max_retries=2, trial_timeout=7.0, trial_memory=2**30).run()
    last = scripted.started[-1]
    assert last.folder == str(paths.trial(0, 3).absolute())
    assert last.previous_folders == [str(paths.trial(0, attempt).absolute()) for attempt in (2, 1)]
    assert (last.time_limit, last.memory_limit) == (7.0, 2**30)


# ---- when it ends


def kills(evaluator):
    """Return the trials that were killed, with the state and the patience."""
    return [order[1:] for order in evaluator.told if order[0] == "kill"]


def test_at_the_time_limit_what_runs_is_paused_and_has_a_while_to_save(search, evaluator, clock):
    scripted, began = evaluator(SILENT, num_workers=2), clock()
    ending = search(scripted, timeout=10.0).run()
    assert ending == ("timeout", "the time limit of 10 s is reached")
    assert kills(scripted) == [(trial, State.PAUSED, PATIENCE_SECONDS) for trial in (0, 1)]
    assert 10.0 <= clock() - began < 10.0 + PATIENCE_SECONDS + 1.0


def test_a_trial_that_does_not_end_when_it_is_told_to_is_not_waited_for_for_ever(search, evaluator, clock):
    began = clock()
    session = search(evaluator(SILENT, is_deaf=True), timeout=10.0)
    session.run()
    assert 10.0 + STOP_SECONDS <= clock() - began < 10.0 + STOP_SECONDS + 1.0
    assert session.history.trials[0].state is State.RUNNING  # the next session starts it again


def test_a_silent_trial_is_killed_so_early_that_its_end_is_heard_before_the_job_ends(
    search, evaluator, clock
):
    scripted, began = evaluator(SILENT), clock()
    session = search(scripted, ends_at=began + 100.0, margin=20.0)
    assert session.run() == ("time", "the job ends in 20 s")
    ((_, state, patience),) = kills(scripted)
    dead_at = 80.0 + patience + GRACE_SECONDS
    assert 90.0 < dead_at < 100.0 - LAST_SECONDS  # the trial has most of the margin to save its state
    assert (state, session.history.trials[0].state) == (State.PAUSED, State.PAUSED)


@pytest.mark.parametrize("margin", [2.0, 20.0])
def test_no_trial_is_waited_for_beyond_the_end_of_the_job(search, evaluator, clock, margin):
    began = clock()
    search(evaluator(SILENT, is_deaf=True), ends_at=began + 100.0, margin=margin).run()
    assert 100.0 - margin <= clock() - began < 100.0 - LAST_SECONDS + POLL_SECONDS + 0.1


def test_a_signal_shortly_before_the_end_of_the_job_does_not_make_it_wait_beyond(search, evaluator, clock):
    began, scripted = clock(), evaluator([(95.0, come(signal.SIGTERM))], is_deaf=True)
    ending = search(scripted, ends_at=began + 100.0, margin=1.0).run()
    assert ending.kind == "signal"
    assert clock() - began < 100.0 - LAST_SECONDS + POLL_SECONDS + 0.1


def test_the_time_of_earlier_sessions_counts_and_the_time_between_them_does_not(search, evaluator, clock):
    search(evaluator(done(after=30.0)), max_evals=2, timeout=100.0).run()
    clock.now += 1e6
    began = clock()
    session = search(evaluator(SILENT), timeout=100.0)
    session.run()
    assert 40.0 <= clock() - began < 41.0 + PATIENCE_SECONDS


def test_no_trial_starts_that_would_report_after_the_end(search, evaluator):
    scripted = evaluator(done(after=30.0))
    ending = search(scripted, timeout=100.0).run()
    assert len(scripted.started) == 3
    assert ending == ("timeout", "10 s are left, and a trial reports after 30 s")


def test_no_trial_starts_that_would_report_after_the_end_of_the_job(search, evaluator, clock):
    scripted = evaluator(done(after=30.0))
    ending = search(scripted, ends_at=clock() + 110.0, margin=10.0).run()
    assert len(scripted.started) == 3
    assert ending == ("time", "10 s are left, and a trial reports after 30 s")


def test_all_trials_done_is_complete_though_there_is_no_time_for_another(search, evaluator):
    ending = search(evaluator(done(after=9.0)), max_evals=1, timeout=10.0).run()
    assert ending == ("complete", "all trials have ended")


def test_how_long_a_trial_takes_to_report_counts_from_the_start_of_its_last_attempt(search, evaluator):
    scripted = evaluator(ends(State.LOST, after=50.0), done(after=10.0))
    search(scripted, timeout=100.0).run()
    assert len(scripted.started) == 5  # the lost one, and four of 10 s each


def test_a_trial_that_ends_within_the_margin_is_heard(search, evaluator, clock):
    scripted = evaluator(done(7.0, after=90.0), is_deaf=True)
    session = search(scripted, ends_at=clock() + 100.0, margin=20.0)
    session.run()
    assert [trial.objective for trial in session.history.ended] == [7.0]


def test_while_nothing_happens_the_time_is_put_on_record(search, evaluator, tmp_path):
    search(evaluator(done(after=10 * ALIVE_SECONDS)), max_evals=1).run()
    assert 8 <= len(kinds(tmp_path, "alive")) <= 10


def test_an_attempt_that_is_left_running_is_neither_killed_nor_waited_for(search, evaluator, clock):
    scripted, began = evaluator(SILENT, outliving=[0]), clock()
    session = search(scripted, ends_at=began + 100.0, margin=20.0)
    session.run()
    assert (session.left_running, kills(scripted)) == ({0}, [])
    assert session.history.trials[0].state is State.RUNNING
    assert clock() - began < 81.0


def test_one_attempt_that_is_left_running_does_not_keep_others_from_being_heard(search, evaluator, clock):
    scripted = evaluator(SILENT, num_workers=2, outliving=[1])
    session = search(scripted, ends_at=clock() + 100.0, margin=20.0)
    session.run()
    assert [trial for trial, *_ in kills(scripted)] == [0]
    assert [trial.state for trial in session.history.trials.values()] == [State.PAUSED, State.RUNNING]


@pytest.mark.parametrize(("limit", "value"), [("timeout", 10.0), ("max_failures", 1)])
def test_what_ends_by_a_limit_of_the_user_is_not_left_running(search, evaluator, limit, value):
    scripted = evaluator(SILENT, ends(State.FAILED), num_workers=2, outliving=[0])
    session = search(scripted, **{limit: value})
    session.run()
    assert session.left_running == set()
    assert session.history.trials[0].state is State.PAUSED


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT, State.MEMORY])
def test_failures_in_a_row_end_a_session(search, evaluator, state):
    session = search(evaluator(done(), ends(state)), max_failures=3)
    ending = session.run()
    assert ending == ("failures", "3 trials in a row failed")
    assert len(session.history.ended) == 4


def test_the_last_failure_of_all_trials_is_no_reason_to_end(search, evaluator):
    ending = search(evaluator(ends(State.FAILED)), max_evals=3, max_failures=3).run()
    assert ending.kind == "complete"


# ---- who is told


def test_each_trial_that_is_over_is_told_once_and_one_that_is_to_go_on_is_not(search, evaluator):
    sight = Sight()
    search(evaluator(ends(State.LOST), done(), ends(State.FAILED)), sight, max_evals=2).run()
    assert sight.ids == [0, 1]


def test_the_last_record_says_why_the_session_ended(search, evaluator, tmp_path):
    search(evaluator(done()), max_evals=1).run()
    last = scan(tmp_path / "journal.jsonl")[0][-1]
    assert (last["kind"], last["ending"], last["reason"]) == ("close", "complete", "all trials have ended")


def test_the_results_file_is_whole_when_the_session_ends(search, evaluator, tmp_path):
    search(evaluator(done(after=0.1), num_workers=4), max_evals=9).run()
    assert sorted(rows(tmp_path)) == [(number, "DONE") for number in range(9)]


def test_the_journal_tells_all_that_the_loop_knows(search, evaluator, tmp_path):
    scripts = [ends(State.LOST), ends(State.TIMEOUT), done(2.0), SILENT, [(1.0, reported(1, 5.0))]]
    session = search(evaluator(*scripts, num_workers=2), timeout=20.0, sources=(SOURCE,))
    session.run()
    assert History.read(tmp_path) == session.history


def test_an_end_is_on_record_with_all_that_it_says(search, evaluator, tmp_path):
    script = [(1.0, ended(State.DONE, 0.5, facts={"test_mae": 0.1}, worker="host:7"))]
    search(evaluator(script), max_evals=1).run()
    trial = History.read(tmp_path).trials[0]
    assert (trial.objective, trial.metadata, trial.worker) == (0.5, {"test_mae": 0.1}, "host:7")
    assert (trial.submitted, trial.ended) == pytest.approx((0.0, 1.0), abs=0.1)
