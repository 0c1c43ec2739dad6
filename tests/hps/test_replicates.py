"""Replicates in the search loop: order, seeds, resumption, what the searcher is told, and which point is the best."""

from collections import Counter

import pytest
from scripted_evaluator import Clock, ScriptedEvaluator, ended
from scripted_search import scripted_search

from dh_project import SearchSettings
from dh_project.common.errors import UserError
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.session import what_is_done
from dh_project.results.history import History
from dh_project.results.search_results import open_search
from dh_project.results.topk import entries, top_results
from dh_project.trial.trial import State


class Asked(RandomSearcher):
    """A random searcher that keeps the arguments of its calls."""

    def __init__(self, problem, seed):
        super().__init__(problem, seed)
        self.calls = []

    def propose(self, number, count, ended, pending):
        self.calls.append((number, [(trial.id, trial.objective) for trial in ended], len(pending)))
        return super().propose(number, count, ended, pending)


def noisy(*objectives):
    """Return the script of all trials: the replicates of a point return these objectives, None for a failure."""

    def end(assignment):
        objective = objectives[assignment.replicate]
        state = State.FAILED if objective is None else State.DONE
        return ended(state, None if objective is None else objective + assignment.point["x"])(assignment)

    return [(1.0, end)]


@pytest.fixture
def search(tmp_path):
    """Return a function that makes a session of one search in ``tmp_path``, from the points 0.1, 0.9 and 0.5."""
    clock = Clock(1000.0)

    def search(script, workers=1, **limits):
        evaluator = ScriptedEvaluator(clock, script, num_workers=workers)
        return scripted_search(tmp_path, evaluator, kind=Asked, first=(0.1, 0.9, 0.5), **limits)

    return search


def points_of(history):
    return Counter(trial.point["x"] for trial in history.trials.values())


def test_each_point_has_exactly_so_many_trials(search):
    session = search(noisy(0.0, 0.1, 0.2), workers=4, max_evals=5, replicates=3)
    session.run()
    assert sorted(points_of(session.history).values()) == [3] * 5
    assert session.history.points == 5


def test_replicates_of_a_point_run_beside_those_of_the_next(search):
    session = search(noisy(0.0, 0.1, 0.2), workers=4, max_evals=4, replicates=3)
    session.run()
    started = [(assignment.point["x"], assignment.replicate) for assignment in session.evaluator.started]
    assert started[:7] == [(0.1, 0), (0.1, 1), (0.1, 2), (0.9, 0), (0.9, 1), (0.9, 2), (0.5, 0)]
    assert session.elapsed == pytest.approx(3.0, abs=0.1)  # 12 trials of 1 s in four slots


def test_an_interrupted_search_runs_the_missing_replicates_and_none_twice(search, tmp_path):
    first = search(noisy(0.0, 0.1, 0.2), max_evals=3, replicates=3, timeout=4.5)
    first.run()
    assert 0 < len(first.history.ended) < 9
    second = search(noisy(0.0, 0.1, 0.2), max_evals=3, replicates=3)
    second.run()
    history = History.read(tmp_path)
    assert points_of(history) == {0.1: 3, 0.9: 3, 0.5: 3}
    assert len(history.ended) == 9
    numbers = [history.number_among_replicates(trial) for trial in history.trials.values()]
    assert numbers == [0, 1, 2] * 3


def test_more_replicates_are_added_to_the_points_that_have_fewer(search, tmp_path):
    search(noisy(0.0), max_evals=2, replicates=1).run()
    search(noisy(0.0, 0.1, 0.2), max_evals=2, replicates=3).run()
    assert points_of(History.read(tmp_path)) == {0.1: 3, 0.9: 3}


def test_what_is_done_counts_replicates(search, tmp_path):
    search(noisy(0.0, 0.1), max_evals=2, replicates=2).run()
    history = History.read(tmp_path)
    settings = {"problem": "p", "run": "r"}
    assert what_is_done(SearchSettings(**settings, max_evals=2, replicates=2), history)
    assert not what_is_done(SearchSettings(**settings, max_evals=2, replicates=3), history)
    assert not what_is_done(SearchSettings(**settings, max_evals=3, replicates=2), history)
    assert what_is_done(SearchSettings(**settings, max_evals=2, replicates=1), history)


def test_the_searcher_is_told_one_mean_for_each_point(search):
    session = search(noisy(0.0, None, 0.2), max_evals=5, replicates=3)
    session.run()
    number, told, pending = session.searcher.calls[0]
    assert (number, pending) == (0, 0)
    assert told == [(0, pytest.approx(0.2)), (3, pytest.approx(1.0)), (6, pytest.approx(0.6))]
    assert [call[0] for call in session.searcher.calls] == [0, 1]


def test_the_best_point_has_the_best_mean_and_not_the_luckiest_trial(search, tmp_path):
    def lucky(assignment):
        x = assignment.point["x"]
        objective = {0.1: (9.0, 0.0, 0.0), 0.9: (4.0, 4.2, None), 0.5: (0.0, 0.0, 0.0)}[x][
            assignment.replicate
        ]
        return ended(State.FAILED if objective is None else State.DONE, objective)(assignment)

    search([(1.0, lucky)], max_evals=3, replicates=3).run()
    found = open_search(tmp_path)
    best = found.replicates_of(found.best)
    assert (found.best.point, best.mean, best.failed) == ({"x": 0.9}, pytest.approx(4.1), 1)
    assert best.standard_error == pytest.approx(0.1)
    assert "best objective 4.1 +- 0.1 (trial 3)" in repr(found)
    table = entries(top_results(tmp_path / "results.csv", 3))
    assert [(entry["id"], entry["x"]) for entry in table.values()] == [(3, 0.9), (0, 0.1), (6, 0.5)]
    assert table["0"]["objective"] == pytest.approx(4.1)
    assert (table["0"]["m:replicates"], table["0"]["m:standard_error"]) == (2, pytest.approx(0.1))
    (tmp_path / "journal.jsonl").unlink()
    assert entries(top_results(tmp_path / "results.csv", 1))["0"]["objective"] == pytest.approx(4.1)


def test_a_single_trial_is_not_better_than_the_means_of_others(search, tmp_path):
    search(noisy(0.0, 0.0), max_evals=1, replicates=2).run()
    search(noisy(5.0, 5.0), max_evals=2, replicates=1).run()
    found = open_search(tmp_path)
    assert (found.best.point, len(found.trials)) == ({"x": 0.1}, 3)
    assert top_results(tmp_path / "results.csv", 1)[0].point == {"x": 0.1}


def test_results_mark_replicates_only_if_there_are_any(search, tmp_path):
    search(noisy(0.0), max_evals=2).run()
    assert "replicate" not in (tmp_path / "results.csv").read_text()
    assert '"replicate_of"' not in (tmp_path / "journal.jsonl").read_text()
    search(noisy(0.0, 0.1), max_evals=3, replicates=2).run()
    table = open_search(tmp_path).table().set_index("job_id").sort_index()
    assert table["m:replicate_of"].fillna(-1).to_dict() == {0: -1, 1: -1, 2: 0, 3: 1, 4: 4, 5: 4}


def test_a_stopper_and_replicates_exclude_each_other():
    with pytest.raises(
        UserError, match="replicates=3: the stopper median ends the trials of a point at different"
    ):
        SearchSettings(problem="p", run="r", stopper="median", replicates=3)
    SearchSettings(problem="p", run="r", stopper="none", replicates=3)
