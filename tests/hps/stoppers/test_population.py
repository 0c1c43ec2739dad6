"""Population-based training, decided by the stopper alone, with trials that are played."""

import random

import ConfigSpace as cs
import numpy as np
import pytest

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.hps.stoppers import create_stopper
from dh_project.hps.stoppers.perturbation import perturbed
from dh_project.hps.stoppers.population import PopulationStopper
from dh_project.testing.stopper import StopperContract
from dh_project.trial.trial import State, Trial


class TestPopulationStopper(StopperContract):
    def make(self):
        return PopulationStopper()


def space():
    problem = HpProblem()
    problem.add_dim("gain", (0.0, 1.0))
    problem.add_dim("units", (1, 64))
    return problem


class Played:
    """A search that a stopper decides. Trials gain their ``gain`` at each step; equal workers take equal times."""

    def __init__(self, stopper, problem=None, workers=1, most=1000, fails=()):
        self.problem, self.trials, self.moves = problem or space(), [], []
        self.checkpoints, self.running = {}, []  # by trial and attempt: the step and its score
        stopper.bind(self.problem, 7)
        shuffle = random.Random(0)
        while True:
            while len(self.running) < workers:
                move = stopper.next_move(len(self.trials) < most)
                assert move == stopper.next_move(len(self.trials) < most)  # it changes nothing
                if move is None:
                    break
                self.start(stopper, move)
            if not self.running:
                return
            trial = self.running.pop(shuffle.randrange(len(self.running)))
            self.finish(stopper, trial, trial.id in fails)

    def start(self, stopper, move):
        self.moves.append(move)
        if move.trial is None:
            number = len(self.trials)
            point = dict(move.point) if move.point else self.problem.sample(number)
            trial = Trial(number, point, "any", parent=move.parent, parent_attempt=move.parent_attempt)
            self.checkpoints[number, 0] = self.checkpoints.get((move.parent, move.parent_attempt), (0, 0.0))
            self.trials.append(trial)
        else:
            trial = self.trials[move.trial]
            assert trial.state is State.PARKED
        trial.state, trial.until, trial.attempt = State.RUNNING, move.until, trial.attempt + 1
        stopper.started(trial)
        self.running.append(trial)

    def finish(self, stopper, trial, fails):
        if fails:
            trial.state, trial.objective = State.FAILED, None
        else:
            step, score = self.checkpoints[trial.id, trial.attempt - 1]
            while step < trial.until:
                step, score = step + 1, score + trial.point["gain"]
                trial.reports.append((step, score))
                assert stopper.goes_on(trial)
            self.checkpoints[trial.id, trial.attempt] = step, score
            trial.state, trial.objective, trial.parked_at = State.PARKED, score, step
        stopper.ended(trial)


def steps_of(played):
    return sum(len(trial.reports) for trial in played.trials)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_population_times_generations_end_the_search(workers):
    played = Played(PopulationStopper(population=8, generations=5, perturbation_interval=3), workers=workers)
    assert sum(trial.step == 15 for trial in played.trials) == 8
    assert steps_of(played) == 8 * 5 * 3


def test_a_weak_member_is_replaced_by_a_child_of_a_strong_one_and_never_resumed():
    played = Played(PopulationStopper(population=8, generations=3))
    first = played.trials[:8]
    ranked = sorted(first, key=lambda trial: trial.reports[0][1])
    assert all(trial.step == 1 for trial in ranked[:2])
    children = played.trials[8:10]
    assert {trial.parent for trial in children} <= {trial.id for trial in ranked[-2:]}
    assert all(child.reports[0][0] == 2 for child in children)


def test_a_population_of_which_all_are_equal_goes_on():
    problem = HpProblem()
    problem.add_dim("gain", (0.5, 0.5 + 1e-12))
    stopper = PopulationStopper(population=4, generations=4)
    stopper.bind(problem, 0)
    for number in range(4):
        trial = Trial(number, {"gain": 0.5}, "any", 1, State.RUNNING)
        stopper.started(trial)
        trial.reports.append((1, 0.5))
        trial.state, trial.objective = State.PARKED, 0.5
        stopper.ended(trial)
    assert {stopper.next_move(True).trial} <= {0, 1, 2, 3}


def test_the_search_is_better_than_its_first_members():
    played = Played(PopulationStopper(population=10, generations=10))
    best = max(trial.objective for trial in played.trials if trial.step == 10)
    assert best > 10 * max(trial.point["gain"] for trial in played.trials[:10])


def test_the_same_search_has_the_same_moves():
    assert (
        Played(PopulationStopper(generations=6), workers=4).moves
        == Played(PopulationStopper(generations=6), workers=4).moves
    )


def test_no_worker_waits_if_a_member_can_go_on():
    stopper = PopulationStopper(population=4, generations=3)
    stopper.bind(space(), 0)
    for number in range(4):
        stopper.started(Trial(number, {"gain": 0.1, "units": 3}, "any", 1, State.RUNNING))
    trial = Trial(2, {"gain": 0.1, "units": 3}, "any", 1, State.PARKED, reports=[(1, 0.1)], objective=0.1)
    stopper.ended(trial)
    assert stopper.next_move(True).trial == 2


def test_children_count_as_points():
    played = Played(PopulationStopper(population=4, generations=6), most=5)
    assert len(played.trials) == 5
    assert sum(trial.step == 6 for trial in played.trials) == 4


@pytest.mark.parametrize("fails", [{0}, {9}, {0, 1, 8, 9}])
def test_a_member_that_fails_is_replaced(fails):
    played = Played(PopulationStopper(population=8, generations=4), fails=fails)
    assert sum(trial.step == 4 for trial in played.trials) == 8


def test_a_population_whose_trials_all_fail_ends():
    played = Played(PopulationStopper(population=3, generations=4), fails=range(1000))
    assert len(played.trials) == 12


def test_errors_and_positive_objectives_give_the_same_decisions():
    """Only differences of objectives count."""
    plus, minus = (PopulationStopper(population=6, generations=5) for _ in range(2))
    played = Played(plus)
    minus.bind(space(), 7)
    replayed = Replayed(minus, played, shift=-1000.0)
    assert replayed == played.moves


def Replayed(stopper, played, shift):
    """Return the moves of a stopper that is shown a search of one worker, with shifted objectives."""
    moves, copies = [], {}
    for move in played.moves:
        moves.append(stopper.next_move(True))
        number = len(copies) if move.trial is None else move.trial
        source = played.trials[number]
        trial = copies.setdefault(
            number,
            Trial(number, source.point, "any", parent=source.parent, parent_attempt=source.parent_attempt),
        )
        trial.attempt, trial.until, trial.state = trial.attempt + 1, move.until, State.RUNNING
        stopper.started(trial)
        for step, objective in source.reports:
            if (trial.step or 0) < step <= move.until:
                trial.reports.append((step, objective + shift))
                stopper.goes_on(trial)
        trial.state, trial.objective = State.PARKED, trial.reports[-1][1]
        stopper.ended(trial)
    return moves


@pytest.mark.parametrize(
    "settings",
    [
        {"population": 1},
        {"generations": 1},
        {"perturbation_interval": 0},
        {"quantile_fraction": 0.6},
        {"resample_probability": 2.0},
        {"perturbation_factors": [0.8, -1.0]},
        {"population": "many"},
        {"populations": 3},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        create_stopper("pbt", settings)


def test_a_fixed_hyperparameter_must_exist():
    stopper = create_stopper("pbt", {"fixed": "gain, unit"})
    with pytest.raises(UserError, match="did you mean 'units'"):
        stopper.bind(space(), 0)


def test_fixed_hyperparameters_are_those_of_the_first_members():
    played = Played(create_stopper("pbt", {"fixed": "units", "generations": 5}))
    assert {trial.point["units"] for trial in played.trials} <= {t.point["units"] for t in played.trials[:10]}


# ---- perturbed points


def many(problem, point, **settings):
    return [perturbed(problem, point, np.random.RandomState(seed), **settings) for seed in range(50)]


def test_numbers_are_multiplied_and_integers_change_by_one_at_least():
    found = many(space(), {"gain": 0.5, "units": 2}, resample_probability=0.0)
    assert {point["gain"] for point in found} == {0.4, 0.6}
    assert {point["units"] for point in found} == {1, 3}


def test_numbers_stay_in_their_ranges():
    found = many(space(), {"gain": 0.9, "units": 64}, resample_probability=0.0)
    assert {point["gain"] for point in found} == {0.9 * 0.8, 1.0}
    assert {point["units"] for point in found} == {51, 64}


def test_ordered_choices_move_to_a_neighbour_and_others_stay():
    problem = HpProblem()
    problem.add_dim("size", [8, 16, 32])
    problem.add_dim("optim", ["SGD", "Adam", "AdamW"])
    found = many(problem, {"size": 16, "optim": "Adam"}, resample_probability=0.0)
    assert {point["size"] for point in found} == {8, 32}
    assert {point["optim"] for point in found} == {"Adam"}
    again = many(problem, {"size": 16, "optim": "Adam"}, resample_probability=1.0)
    assert {point["optim"] for point in again} == {"SGD", "Adam", "AdamW"}


def test_conditions_and_clauses_hold():
    problem = HpProblem()
    optim = problem.add_dim("optim", ["SGD", "Adam"])
    momentum = problem.add_dim("momentum", (0.1, 0.9))
    rate = problem.add_dim("rate", [1, 2, 3])
    problem.add_condition(cs.EqualsCondition(momentum, optim, "SGD"))
    problem.add_forbidden_clause(cs.ForbiddenEqualsClause(rate, 3))
    found = many(problem, {"optim": "Adam", "rate": 2}, resample_probability=0.5)
    assert all(problem.check_configuration(point, raise_if_not_valid=False) for point in found)
    assert {len(point) for point in found} == {2, 3}
    assert {point["rate"] for point in found} == {1, 2}
