"""The search loop with a stopper that parks trials: moves, rows, limits, and what a killed search remembers."""

import csv
import json

import pytest
from scripted_evaluator import Clock, ScriptedEvaluator, done, ended, ends, reported
from scripted_search import scripted_search

from dh_project.hps.earlier import EarlierSessions
from dh_project.hps.observer import Observer
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.stoppers.base import Move, Stopper
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import State


class Halves(Stopper):
    """Parks each trial at step 1, and lets the better half run to the end when all points have been tried."""

    name, parks = "halves", True

    def __init__(self):
        self.parked, self.resumed, self.heard = {}, set(), []

    def goes_on(self, trial):
        self.heard.append(("report", trial.id, *trial.reports[-1]))
        return True

    def started(self, trial):
        self.heard.append(("start", trial.id, trial.until))
        if self.parked.pop(trial.id, None) is not None:
            self.resumed.add(trial.id)

    def ended(self, trial):
        self.heard.append(("end", trial.id, trial.state))
        if trial.state is State.PARKED:
            self.parked[trial.id] = trial.reports[-1][1]

    def next_move(self, room):
        if room:
            return Move(until=1)
        total = len(self.parked) + len(self.resumed)
        best = max(self.parked, key=self.parked.get, default=None)
        return Move(trial=best) if best is not None and len(self.resumed) < total // 2 else None

    def why_enough(self):
        return "the better half has been resumed"


class Never(Halves):
    """Resumes no trial."""

    name = "never"

    def next_move(self, room):
        return Move(until=1) if room else None


class Child(Halves):
    """Makes one child of trial 0, from its checkpoint."""

    name = "child"

    def next_move(self, room):
        if 0 in self.parked and not self.resumed:
            self.resumed.add(0)
            return Move(parent=0, point={"x": 0.5}, until=2)
        return Move(until=1) if room and not self.parked else None


def parks(objective, step=1):
    """Return the script of an attempt that reports and is parked."""
    return [
        (1.0, reported(step, objective)),
        (1.0, ended(State.PARKED, objective, reason=f"parked at step {step}")),
    ]


@pytest.fixture
def search(tmp_path):
    """Return a function that makes a session of one search in ``tmp_path``, and its evaluator."""

    def search(*scripts, stopper=None, observer=None, num_workers=1, **limits):
        evaluator = ScriptedEvaluator(Clock(1000.0), *scripts, num_workers=num_workers)
        return scripted_search(tmp_path, evaluator, stopper=stopper, observer=observer, **limits), evaluator

    return search


FOUR = [parks(-4.0), parks(-2.0), parks(-1.0), parks(-3.0), done(-0.1), done(-0.2)]
"""Four trials that park at step 1; then the two that are resumed end."""


def rows_of(folder):
    with (folder / "results.csv").open() as file:
        return [
            (int(row["job_id"]), row["job_status"], float(row["objective"])) for row in csv.DictReader(file)
        ]


def starts_of(evaluator):
    return [(start.trial, start.attempt, start.until) for start in evaluator.started]


def test_a_stopper_decides_who_is_resumed_and_up_to_which_step(search):
    session, evaluator = search(*FOUR, stopper=Halves(), max_evals=4)
    session.run()
    assert starts_of(evaluator) == [(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 1, 1), (2, 2, None), (1, 2, None)]


def test_each_point_has_one_row_and_a_parked_one_says_what_it_reached(search, tmp_path):
    session, _ = search(*FOUR, stopper=Halves(), max_evals=4)
    session.run()
    assert rows_of(tmp_path) == [
        (2, "DONE", -0.1),
        (1, "DONE", -0.2),
        (0, "PARKED", -4.0),
        (3, "PARKED", -3.0),
    ]
    with (tmp_path / "results.csv").open() as file:
        assert [row["m:parked_at"] for row in csv.DictReader(file)] == ["", "", "1", "1"]


def test_the_ending_says_how_many_are_parked_and_why_that_is_enough(search):
    ending = search(*FOUR, stopper=Halves(), max_evals=4)[0].run()
    assert ending.reason == "all trials have ended or are parked (2): the better half has been resumed"


def test_the_best_trial_is_one_that_has_ended_although_a_parked_one_has_a_larger_objective(search):
    scripts = [parks(9.0), parks(8.0), parks(7.0), parks(6.0), done(2.0), done(1.0)]
    session, _ = search(*scripts, stopper=Halves(), max_evals=4)
    session.run()
    assert (session.history.best.id, session.history.best.objective) == (0, 2.0)


def test_among_parked_trials_those_of_the_latest_step_are_compared(search):
    session, _ = search(parks(9.0), parks(2.0, step=5), parks(3.0, step=5), stopper=Never(), max_evals=3)
    session.run()
    assert session.history.best.id == 2


def test_an_observer_hears_of_parked_trials_and_not_that_they_ended(search):
    class Watching(Observer):
        def __init__(self):
            self.seen = []

        def parked(self, trial):
            self.seen.append(("parked", trial.id, trial.parked_at))

        def ended(self, trial):
            self.seen.append(("ended", trial.id))

    watching = Watching()
    search(*FOUR, stopper=Halves(), observer=watching, max_evals=4)[0].run()
    assert watching.seen == [*[("parked", number, 1) for number in range(4)], ("ended", 2), ("ended", 1)]


def test_a_killed_search_tells_the_stopper_all_that_it_has_recorded(search, tmp_path):
    stopper = Halves()
    session, _ = search(*FOUR, stopper=stopper, max_evals=4)
    session.run()
    again = Halves()
    EarlierSessions(SearchPaths(tmp_path), again).read()
    assert again.heard == stopper.heard


@pytest.mark.parametrize("turns", range(1, 13))
def test_a_search_that_is_killed_at_any_turn_makes_the_same_moves(search, tmp_path, turns):
    session, evaluator = search(*FOUR, stopper=Halves(), max_evals=4)
    for _ in range(turns):  # as run() does, without its end
        session._turn([])
        for event in session._events():
            session._take(event)
    session.journal.commit()
    session.journal.close()
    left = FOUR[len(evaluator.started) - len(session.history.running) :] or [done()]
    other, _ = search(*left, stopper=Halves(), max_evals=4)
    other.run()
    assert sorted(rows_of(tmp_path)) == [
        (0, "PARKED", -4.0),
        (1, "DONE", -0.2),
        (2, "DONE", -0.1),
        (3, "PARKED", -3.0),
    ]


def test_an_interrupted_attempt_of_a_resumed_trial_keeps_its_step_and_its_row(search, tmp_path):
    session, _ = search(*FOUR[:4], [], stopper=Halves(), max_evals=4, timeout=8.0)
    session.run()
    assert (2, "PAUSED", -1.0) in rows_of(tmp_path)
    other, evaluator = search(done(-0.1), done(-0.2), stopper=Halves(), max_evals=4)
    other.run()
    assert starts_of(evaluator) == [(2, 3, None), (1, 2, None)]


def test_a_resumed_trial_that_fails_has_no_objective(search, tmp_path):
    session, _ = search(*FOUR[:4], ends(State.FAILED), done(), stopper=Halves(), max_evals=4)
    session.run()
    assert session.history.trials[2].objective is None


def test_without_a_stopper_parked_trials_are_resumed_to_their_ends(search):
    search(*FOUR, stopper=Halves(), max_evals=4)[0].run()
    session, evaluator = search(done(), max_evals=4)
    session.run()
    assert (starts_of(evaluator), session.history.parked) == ([(0, 2, None), (3, 2, None)], {})


def test_a_searcher_is_told_of_parked_trials_after_the_ended_ones(search):
    told = []

    class Asked(RandomSearcher):
        learns = True

        def propose(self, number, count, ended, pending):
            told.append([(trial.id, trial.state) for trial in ended])
            return super().propose(number, count, ended, pending)

    session, _ = search(parks(-1.0), stopper=Halves(), max_evals=2)
    session.proposals.searcher = Asked(session.searcher.problem, 1)
    session.run()
    assert [(0, State.PARKED)] in told


def test_a_child_begins_from_the_folder_of_its_parent(search, tmp_path):
    session, evaluator = search(parks(-1.0), parks(-1.0, step=2), stopper=Child(), max_evals=2)
    (tmp_path / "trials/0000/attempt-1").mkdir(parents=True)
    (tmp_path / "trials/0000/attempt-1/checkpoint").touch()
    session.run()
    child = evaluator.started[1]
    assert (child.trial, child.point, child.until) == (1, {"x": 0.5}, 2)
    assert [folder.removeprefix(str(tmp_path)) for folder in child.previous_folders] == [
        "/trials/0000/attempt-1"
    ]


def test_the_lineage_of_a_child_is_in_the_journal(search, tmp_path):
    search(parks(-1.0), parks(-1.0, step=2), stopper=Child(), max_evals=2)[0].run()
    child = History.read(tmp_path).trials[1]
    assert (child.origin, child.parent, child.parent_attempt) == ("child", 0, 1)


def test_a_stopper_that_fails_ends_no_search(search, caplog):
    class Broken(Halves):
        def next_move(self, room):
            raise RuntimeError("no idea")

    ending = search(done(), stopper=Broken(), max_evals=2)[0].run()
    assert ending.kind == "complete"
    assert "the stopper failed in next_move" in caplog.text


def test_starts_without_a_step_are_written_as_before(search, tmp_path):
    search(done(), max_evals=1)[0].run()
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert not any(name in str(lines) for name in ("until", "parent"))
