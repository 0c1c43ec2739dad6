"""Stop criteria: their words, what a trial is told, and when and why the search ends."""

import re

import pytest
from scripted_evaluator import SILENT, Clock, ScriptedEvaluator, done, ended, reported
from scripted_search import scripted_search

import dh_project as dh
from dh_project.common.errors import UserError
from dh_project.hps.criteria import Criteria, criterion_of, parse_criteria
from dh_project.hps.session import what_is_done
from dh_project.hps.settings import SearchSettings
from dh_project.results.history import History
from dh_project.trial.criterion import Criterion
from dh_project.trial.trial import State


@pytest.fixture
def search(tmp_path):
    """Return a function that makes a session of one search in ``tmp_path``, and its evaluator."""

    def search(*scripts, num_workers=1, max_evals=None, **criteria):
        evaluator = ScriptedEvaluator(Clock(1000.0), *scripts, num_workers=num_workers)
        limits = {"max_evals": max_evals, "criteria": Criteria(**criteria)}
        return scripted_search(tmp_path, evaluator, **limits), evaluator

    return search


def steps(*numbers, objective=-1.0, end=True):
    """Return the script of an attempt that reports these steps, one a second."""
    script = [(float(after), reported(step, objective)) for after, step in enumerate(numbers, start=1)]
    return [*script, (len(numbers) + 0.5, ended(State.DONE, objective))] if end else script


# ---- words


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("training_iteration=30", "step >= 30"),
        ("epoch=30", "step >= 30"),
        ("objective=-0.1", "objective >= -0.1"),
        ("val_mae=0.1", "val_mae <= 0.1"),
        ("test_accuracy=0.9", "test_accuracy >= 0.9"),
        ("energy<=-3.5", "energy <= -3.5"),
        ("energy >= 2", "energy >= 2"),
        ("val_mae>=3", "val_mae >= 3"),
    ],
)
def test_a_word_is_a_criterion(word, said):
    ((name, value),) = parse_criteria([word]).items()
    assert str(criterion_of(name, value)) == said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("energy=1", "'energy<=1' or 'energy>=1'"),
        ("error_score=1", "does not tell"),
        ("step<=3", "steps rise"),
        ("objective<=3", "is maximised"),
    ],
)
def test_a_criterion_of_unknown_or_wrong_direction_is_refused(word, said):
    with pytest.raises(UserError, match=said):
        SearchSettings(problem="p.py", run="r.py", stop=parse_criteria([word]))


@pytest.mark.parametrize("words", [["step"], ["step=many"], ["=3"], ["step<3"], ["step=3", "step=4"]])
def test_a_word_that_is_no_criterion_is_refused(words):
    with pytest.raises(UserError, match=r"--stop '.*(is not a criterion|given twice)"):
        parse_criteria(words)


@pytest.mark.parametrize("recorded", [{}, {"loss": None}, {"loss": "small"}, {"loss": True}, {"loss": 0.2}])
def test_a_fact_that_is_missing_or_no_number_meets_nothing(recorded):
    assert not Criterion("loss", "<=", 0.1).is_met(recorded)


# ---- the trials


def test_a_trial_is_told_its_criteria_and_the_target(search):
    session, evaluator = search(done(), max_evals=1, stop=(Criterion("step", ">=", 30),), target=7.0)
    session.run()
    assert evaluator.started[0].criteria == [("step", ">=", 30), ("objective", ">=", 7.0)]


def test_trials_end_at_a_criterion_and_the_search_at_its_target(samples, tmp_path):
    found = dh.search(
        str(samples / "small_problem.py"),
        f"{samples / 'small_run.py'}:report_until_stopped",
        folder=tmp_path,
        evaluator="process",
        num_workers=1,
        searcher="random",
        progress=False,
        max_evals=3,
        stop={"training_iteration": 2, "objective": 9.0},
        target=2.0,
    )
    assert [(trial.state, trial.objective, trial.step) for trial in found.trials] == [(State.DONE, 2.0, 2)]
    assert found.ending.kind == "target"


# ---- the search


def test_the_search_ends_when_a_trial_returns_the_target(search):
    session, evaluator = search(done(-0.5), done(-0.05), SILENT, target=-0.1)
    assert session.run() == ("target", "trial 1 has reached the target -0.1: its objective is -0.05")
    assert len(evaluator.started) == 2


def test_the_other_trials_are_interrupted_at_the_target_and_a_larger_one_resumes_them(search):
    session, _ = search(SILENT, done(-0.05), num_workers=2, target=-0.1)
    session.run()
    assert list(session.history.paused) == [0]
    session, evaluator = search(done(-0.01), target=-0.02)
    assert session.run().kind == "target"
    assert [(start.trial, start.attempt) for start in evaluator.started] == [(0, 2)]


def test_the_budget_of_epochs_ends_the_search_and_a_larger_one_continues_it(search):
    session, _ = search(steps(1, 2, 3), max_epochs_total=8)
    assert session.run() == ("epochs", "the budget of 8 epochs is spent")
    assert (session.history.epochs, list(session.history.paused)) == (8, [2])
    session, evaluator = search(steps(3), steps(1, 2, 3), max_epochs_total=10)
    session.run()
    assert session.history.epochs == 10
    assert [(start.trial, start.attempt) for start in evaluator.started] == [(2, 2), (3, 1)]


def test_an_epoch_counts_once_in_each_attempt(search, tmp_path):
    session, _ = search(
        [*steps(1, 2, 2, 3, end=False), (5.0, ended(State.LOST))], steps(1, 2, 3, 4), max_evals=1
    )
    session.run()
    assert session.history.epochs == session.history.trials[0].epochs == 3 + 4
    assert History.read(tmp_path).epochs == 7


def test_the_search_ends_if_no_objective_is_better_for_some_epochs_of_all_trials(search):
    session, _ = search(
        steps(1, 2, objective=-1.0),
        steps(1, 2, objective=-0.5),
        steps(1, 2, objective=-0.7),
        patience_epochs=4,
    )
    assert session.run() == ("patience", "no objective was better in the last 4 epochs of all trials")
    assert session.history.epochs == 3 + 4


def test_patience_is_measured_over_all_sessions(search):
    search(steps(1, 2, 3, 4), max_evals=1, patience_epochs=5)[0].run()
    session, _ = search(steps(1, 2, 3, 4), patience_epochs=5)
    assert session.run().kind == "patience"
    assert session.history.epochs == 6


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"target": -1.0}, "target -1: .*; give a larger --target"),
        ({"max_epochs_total": 3}, "3 epochs is spent; give a larger --max-epochs-total"),
        ({"patience_epochs": 2}, "last 2 epochs of all trials; give a larger --patience-epochs"),
        ({"target": 0.0, "max_epochs_total": 4, "patience_epochs": 3}, "nothing"),
    ],
)
def test_a_search_whose_criteria_are_met_has_nothing_left_to_do(search, criteria, said):
    session, _ = search(steps(1, 2, 3), max_evals=1)
    session.run()
    settings = SearchSettings(problem="p.py", run="r.py", **criteria)
    assert re.search(said, what_is_done(settings, session.history) or "nothing")
