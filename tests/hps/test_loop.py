"""The search loop, with real workers, a real journal, and searchers that cost nothing."""

import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest
from journals import add_records, cut_before

from dh_project.common.errors import UserError
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hps import losses
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.proposals import Proposals
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.stoppers.base import Stopper
from dh_project.results.archive import set_aside
from dh_project.results.history import History
from dh_project.results.identity import Identity
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import LOG, RunContext
from dh_project.trial.events import Reported, Retried
from dh_project.trial.trial import State
from dh_project.user_code.problems import load_problem

pytestmark = pytest.mark.slow


class Seen(Observer):
    """An observer that keeps its notifications."""

    def __init__(self):
        self.ids = []
        self.most_running = 0

    def ended(self, trial):
        self.ids.append(trial.id)

    def turn(self, history, elapsed):
        self.most_running = max(self.most_running, len(history.running))


@pytest.fixture
def search(samples, tmp_path):
    """Return a function that runs one session in ``tmp_path`` and gives its search and its reason to end."""

    def search(
        run="run",
        workers=1,
        run_kwargs=None,
        seed=1,
        observer=None,
        before=None,
        stopper=None,
        clock=time.monotonic,
        **limits,
    ):
        problem = load_problem(str(samples / "small_problem.py"))
        context = RunContext(f"small_run.{run}", run_kwargs or {}, str(tmp_path), [*sys.path, str(samples)])
        identity = Identity("small_problem.py", problem.to_json(), context.run, context.run_kwargs, seed)
        with ProcessEvaluator(context, EvaluatorSettings(num_workers=workers)) as evaluator:
            session = Search(
                SearchPaths(tmp_path),
                identity,
                problem,
                RandomSearcher(problem, seed),
                evaluator,
                Limits(**limits),
                observer or Seen(),
                stopper,
                clock=clock,
            )
            if before:
                before(session)
            return session.history, session.run().reason

    return search


def points(history):
    return [history.trials[number].point for number in sorted(history.trials)]


def test_it_ends_after_exactly_so_many_trials(search):
    seen = Seen()
    history, reason = search(workers=3, max_evals=7, observer=seen)
    assert sorted(seen.ids) == sorted(history.trials) == list(range(7))
    assert reason == "all trials have ended"


def test_starting_points_come_first_all_of_them(search, samples):
    history, _ = search(max_evals=4)
    assert points(history)[:2] == load_problem(str(samples / "small_problem.py")).starting_points
    assert [trial.origin for trial in history.trials.values()] == ["starting point"] * 2 + ["random"] * 2


def test_all_workers_are_kept_busy(search):
    seen = Seen()
    search(workers=4, max_evals=8, run_kwargs={"seconds": 0.3}, observer=seen)
    assert seen.most_running == 4


def test_failures_are_rows_and_the_search_goes_on(search, tmp_path):
    history, _ = search("fail_at_times", max_evals=12)
    states = {trial.state for trial in history.ended}
    assert states == {State.DONE, State.FAILED}
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 13
    assert "tanh never works" in (tmp_path / "results.csv").read_text()


def test_the_journal_tells_what_the_loop_knew(search, tmp_path):
    history, _ = search("tell", max_evals=3)
    assert History.read(tmp_path).trials == history.trials


def test_what_is_told_is_on_record(search, tmp_path):
    class Checking(Seen):
        def ended(self, trial):
            super().ended(trial)
            assert History.read(tmp_path).trials[trial.id] == trial

    seen = Checking()
    search(workers=2, max_evals=4, observer=seen)
    assert len(seen.ids) == 4


def test_a_smaller_total_starts_no_more_than_that(search):
    search("go_on", workers=4, max_evals=8, timeout=4.0)
    history, _ = search("go_on", workers=4, max_evals=2, timeout=60.0)
    assert len(history.ended) == 2


def test_a_larger_total_extends_a_search(search):
    search(max_evals=3)
    seen = Seen()
    history, _ = search(max_evals=5, observer=seen)
    assert seen.ids == [3, 4]
    assert len(history.ended) == 5


@pytest.mark.parametrize("cut", range(1, 6))
def test_interrupted_equals_uninterrupted(search, tmp_path, cut):
    search(max_evals=cut)
    interrupted, _ = search(max_evals=6)
    set_aside(SearchPaths(tmp_path))
    whole, _ = search(max_evals=6)
    assert points(interrupted) == points(whole)
    assert interrupted.best.point == whole.best.point


def test_the_time_limit_interrupts_and_the_next_session_goes_on(search):
    first, reason = search("go_on", max_evals=1, timeout=3.0)
    assert (first.trials[0].state, reason) == (State.PAUSED, "the time limit of 3 s is reached")
    second, _ = search("go_on", max_evals=1, timeout=30.0)
    assert (second.trials[0].state, second.trials[0].objective, second.trials[0].attempt) == (
        State.DONE,
        2.0,
        2,
    )


def test_a_checkpoint_outlives_an_attempt_that_left_none(search, tmp_path):
    search("go_on", max_evals=1, timeout=3.0)
    start = {"kind": "start", "at": 3.1, "trial": 0, "attempt": 2, "point": {}, "origin": "starting point"}
    add_records(tmp_path / "journal.jsonl", start)  # as if the driver was killed once more
    SearchPaths(tmp_path).trial(0, 2).mkdir()
    (SearchPaths(tmp_path).trial(0, 2) / LOG).write_text("it began\n")
    history, _ = search("go_on", max_evals=1, timeout=30.0)
    assert (history.trials[0].attempt, history.trials[0].objective) == (3, 2.0)


def test_elapsed_time_is_carried_and_downtime_is_not(search):
    first, _ = search(max_evals=1, clock=lambda: 1e6 + time.monotonic())
    second, _ = search(max_evals=2, clock=lambda: 2e6 + time.monotonic())
    assert first.elapsed < second.elapsed < first.elapsed + 1e4


def once_it_runs(act):
    """Return a hook that calls ``act(session)`` in a thread as soon as the first trial has left its mark."""

    def wait_and_act(session):
        mark = session.paths.trial(0, 1) / "mark"
        while not (mark.exists() and mark.read_text()):
            time.sleep(0.02)
        act(session)

    return lambda session: threading.Thread(target=wait_and_act, args=(session,)).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(search, number):
    history, reason = search(
        "go_on", max_evals=1, before=once_it_runs(lambda _: os.kill(os.getpid(), number))
    )
    assert reason == f"{number.name} came"
    assert history.trials[0].state is State.PAUSED


def test_a_trial_s_time_limit_is_a_row(search):
    history, _ = search("hang", max_evals=1, trial_timeout=0.5)
    assert history.trials[0].state is State.TIMEOUT


@once_it_runs
def kill_worker(session):
    os.kill(int(session.evaluator._workers[0].name.split(":")[1]), signal.SIGKILL)


def test_a_trial_lost_with_its_worker_is_tried_again(search):
    history, _ = search("go_on", max_evals=1, before=kill_worker)
    trial = history.trials[0]
    assert (trial.state, trial.attempt, trial.losses, trial.objective) == (State.DONE, 2, 1, 2.0)


def test_workers_that_die_one_after_another_end_the_search(search, monkeypatch):
    monkeypatch.setattr(losses, "FIRST_REST", 0.0)

    def kill_workers_for_ever(session):
        def kill():
            while session._ending is None:
                for worker in session.evaluator._workers:
                    with suppress(ProcessLookupError):
                        os.kill(int(worker.name.split(":")[1]), signal.SIGKILL)
                time.sleep(0.05)

        threading.Thread(target=kill).start()

    history, reason = search("go_on", before=kill_workers_for_ever)
    assert "attempts in a row lost their worker" in reason
    assert not [trial for trial in history.trials.values() if trial.state is State.RUNNING]


def test_a_trial_lost_too_often_is_a_row(search):
    history, _ = search("go_on", max_evals=1, max_retries=0, before=kill_worker)
    assert (history.trials[0].state, history.trials[0].attempt) == (State.LOST, 1)


@pytest.mark.parametrize("change", [{"seed": 2}, {"run_kwargs": {"scale": 2.0}}, {"run": "tell"}])
def test_a_different_search_is_refused(search, change, tmp_path):
    search(max_evals=1)
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(UserError, match="another search was run here"):
        search(max_evals=2, **change)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_a_result_that_the_killed_driver_did_not_hear_of_is_taken(search, tmp_path):
    search("tell", max_evals=2)
    cut_before(tmp_path / "journal.jsonl", lambda record: record["kind"] == "end", last=True)
    seen = Seen()
    history, _ = search("tell", max_evals=2, observer=seen)
    assert (history.trials[1].state, history.trials[1].attempt, seen.ids) == (State.DONE, 1, [1])
    assert not SearchPaths(tmp_path).trial(1, 2).exists()


def test_at_the_margin_running_trials_are_interrupted(search):
    history, reason = search("go_on", max_evals=1, ends_at=time.monotonic() + 8.0, margin=5.0)
    assert (history.trials[0].state, reason) == (State.PAUSED, "the job ends in 5 s")


def test_the_margin_is_for_running_trials_to_report_in(search, monkeypatch):
    monkeypatch.setattr("dh_project.hps.limits.PATIENCE_SECONDS", 0.1)
    history, _ = search("tell_slowly", max_evals=1, ends_at=time.monotonic() + 15.0, margin=13.0)
    trial = history.trials[0]
    assert (trial.state, trial.metadata) == (State.PAUSED, {"saved": True})


def test_a_time_limit_before_the_margin_does_not_wait_for_the_job_s_end(search):
    began = time.monotonic()
    history, _ = search("go_on", max_evals=1, timeout=2.0, ends_at=began + 600, margin=60.0)
    assert history.trials[0].state is State.PAUSED
    assert time.monotonic() - began < 60


def test_all_trials_done_is_complete_though_time_is_up(search):
    _, reason = search(max_evals=1, run_kwargs={"seconds": 3.0}, timeout=5.0)
    assert reason == "all trials have ended"


def test_a_driver_that_may_start_no_trial_does_not_spin(search):
    class Counting(Seen):
        turns = 0

        def turn(self, history, elapsed):
            self.turns += 1

    observer = Counting()

    def make_ahead(session):
        session.searcher.learns = True
        session.proposals = Proposals(session.searcher, 2)

    limits = {"workers": 2, "max_evals": 9, "ends_at": time.monotonic() + 9, "margin": 1}
    history, _ = search("run_unevenly", observer=observer, before=make_ahead, **limits)
    assert history.first_signs
    assert observer.turns < 200


def test_no_trial_starts_that_cannot_report_in_time(search):
    history, reason = search(run_kwargs={"seconds": 2.0}, ends_at=time.monotonic() + 10.0, margin=2.0)
    assert len(history.trials) == len(history.ended)
    assert re.search(r"a trial reports after \d+ s", reason)


def test_failures_in_a_row_end_it(search):
    history, reason = search("fail", max_failures=4)
    assert (len(history.ended), reason) == (4, "4 trials in a row failed")


def test_a_stopper_ends_a_trial_early_with_its_objective(search):
    class AtOnce(Stopper):
        name = "at once"

        def goes_on(self, trial):
            return False

    history, _ = search("report_until_stopped", max_evals=1, stopper=AtOnce())
    assert history.trials[0].state is State.STOPPED
    assert history.trials[0].objective >= 2.0


def test_time_in_which_nothing_happens_is_on_record(search, tmp_path, monkeypatch):
    monkeypatch.setattr("dh_project.hps.loop.ALIVE_SECONDS", 0.5)
    search(max_evals=1, run_kwargs={"seconds": 2.0})
    assert (tmp_path / "journal.jsonl").read_text().count('"kind":"alive"') >= 2


def test_a_stopper_sees_the_reports_of_earlier_sessions_first(search):
    class Noting(Stopper):
        name = "noting"

        def __init__(self):
            self.seen = []

        def goes_on(self, trial):
            self.seen.append((trial.id, *trial.reports[-1]))
            return True

    search("tell", max_evals=1, stopper=Noting())
    stopper = Noting()
    search("tell", max_evals=2, stopper=stopper)
    assert stopper.seen == [(n, step, float(step)) for n in (0, 1) for step in (1, 2, 3)]


def test_a_stopper_s_word_on_a_step_stands_for_the_next_attempt(search, tmp_path):
    class AtSecondStep(Stopper):
        name = "at the second step"

        def goes_on(self, trial):
            return trial.reports[-1][0] != 2

    search("report_until_stopped", max_evals=1, stopper=AtSecondStep())
    cut_before(tmp_path / "journal.jsonl", lambda record: record.get("step", 0) > 2)
    (SearchPaths(tmp_path).trial(0, 1) / "dh-result.json").unlink()
    history, _ = search("report_until_stopped", max_evals=1, stopper=AtSecondStep())
    trial = history.trials[0]
    assert (trial.state, trial.attempt, trial.objective) == (State.STOPPED, 2, 3.0)


def test_a_stopper_that_fails_stops_nothing(search):
    class Broken(Stopper):
        name = "broken"

        def goes_on(self, trial):
            raise RuntimeError("no verdict today")

    history, _ = search("tell", max_evals=1, stopper=Broken())
    assert history.trials[0].state is State.DONE


def test_a_time_limit_too_short_for_another_trial_is_told_as_such(search):
    session = []
    search(run_kwargs={"seconds": 1.5}, timeout=4.0, before=session.append)
    assert session[0]._ending.kind == "timeout"


def test_the_last_failure_of_all_is_no_reason_to_end(search):
    _, reason = search("fail", max_evals=3, max_failures=3)
    assert reason == "all trials have ended"


# ---- attempts that outlive their driver


class Outliving(ProcessEvaluator):
    """Keeps its workers from one session to the next, as jobs of a batch system go on without their driver."""

    wanted = ()

    def leave(self, trial):
        return True

    def adopt(self, assignments):
        self._unstarted += self.wanted
        return {each.trial for each in assignments} & {each.trial for each in self._running.values()}

    def close(self):
        """Wait for the end of the test."""


@pytest.fixture
def outliving(samples, tmp_path):
    """Return a function that runs sessions of one search with workers that go on between them."""
    evaluators = []

    def session(run="run", run_kwargs=None, before=None, **limits):
        problem = load_problem(str(samples / "small_problem.py"))
        context = RunContext(f"small_run.{run}", run_kwargs or {}, str(tmp_path), [*sys.path, str(samples)])
        identity = Identity("small_problem.py", problem.to_json(), context.run, context.run_kwargs, 1)
        if not evaluators:
            evaluators.append(Outliving(context, EvaluatorSettings(num_workers=1)))
        search = Search(
            SearchPaths(tmp_path),
            identity,
            problem,
            RandomSearcher(problem, 1),
            evaluators[0],
            Limits(**limits),
            Seen(),
        )
        if before:
            before(search)
        return search, search.run()

    yield session
    for evaluator in evaluators:
        ProcessEvaluator.close(evaluator)


def test_an_attempt_that_outlives_its_driver_is_adopted(outliving):
    begun = time.monotonic()
    first, ending = outliving(run_kwargs={"seconds": 4.0}, max_evals=1, ends_at=begun + 3.0, margin=1.0)
    assert (ending.kind, first.left_running) == ("time", {0})
    second, _ = outliving(run_kwargs={"seconds": 4.0}, max_evals=1)
    assert [(trial.attempt, trial.state) for trial in second.history.ended] == [(1, State.DONE)]


def test_what_an_adopted_attempt_had_reported_is_not_recorded_again(outliving):
    begun = time.monotonic()
    outliving("report_until_stopped", max_evals=1, ends_at=begun + 2.0, margin=1.0)

    def tell_again(search):
        reports = search.history.trials[0].reports
        search.evaluator.wanted = [Reported(0, 1, *reports[0]), Reported(0, 1, *reports[-1])]
        search.evaluator.stop(0, after=0)

    search, _ = outliving("report_until_stopped", before=tell_again, max_evals=1)
    reports = search.history.trials[0].reports
    assert len(reports) == len(set(reports))
    assert search.history.trials[0].attempt == 1


def test_a_failed_trial_that_the_user_wants_again_gets_another_attempt(outliving, tmp_path):
    search, _ = outliving("fail", max_evals=1)
    assert "F_exception" in (tmp_path / "results.csv").read_text()

    def want(search):
        search.evaluator.wanted = [Retried(0, 1)]

    search, _ = outliving("fail", before=want, max_evals=1)
    assert [(trial.attempt, trial.state) for trial in search.history.ended] == [(2, State.FAILED)]
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 2


def test_a_trial_with_an_objective_is_not_attempted_again(outliving):
    outliving(max_evals=1)

    def want(search):
        search.evaluator.wanted = [Retried(0, 1)]

    search, _ = outliving(before=want, max_evals=1)
    assert search.history.trials[0].attempt == 1
