"""The searches that regret.py compares, with one interface: ask, tell, and the point that the search recommends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import ConfigSpace as cs
import optuna
from functions import Function

from dh_project.hps.searchers import create_searcher
from dh_project.problem.values import choices_of
from dh_project.trial.trial import Point, State, Trial


class Compared(Protocol):
    """A search."""

    def ask(self, number: int) -> Point:
        """Return the point of a trial's number."""

    def tell(self, number: int, value: float | None) -> None:
        """Take a trial's objective; None if it failed."""

    def recommended(self) -> Point:
        """Return the point that the search would hand to its user."""


class Ours:
    """A searcher of this package.

    Args:
        name: Its name.
        function: The function to search.
        seed: The search's seed.
        ahead: Whether a proposal is made before the result is known that frees its worker.
    """

    def __init__(self, name: str, function: Function, seed: int, ahead: bool = False) -> None:
        self.searcher = create_searcher(name, function.problem, seed)
        self.ahead = ahead
        self.waiting = [dict(point) for point in function.problem.starting_points]
        self.proposed = 0
        self.ended: list[Trial] = []
        self.pending: dict[int, Trial] = {}

    def ask(self, number: int) -> Point:
        """Return the starting point or proposal of a number."""
        point = self.waiting.pop(0) if self.waiting else self._propose()
        self.pending[number] = Trial(number, point, self.searcher.name, 1, State.RUNNING)
        return point

    def tell(self, number: int, value: float | None) -> None:
        """Take a trial's objective; None if it failed."""
        if self.ahead and not self.waiting:
            self.waiting.append(self._propose())
        trial = self.pending.pop(number)
        trial.state, trial.objective = State.FAILED if value is None else State.DONE, value
        self.ended.append(trial)

    def _propose(self) -> Point:
        self.proposed += 1
        return self.searcher.propose(self.proposed - 1, 1, self.ended, list(self.pending.values()))[0]

    def recommended(self) -> Point:
        """Return the point of the searcher's choice; the best observed one if it makes no choice."""
        chosen = getattr(self.searcher, "recommended", lambda ended: None)(self.ended)
        best = max(self.ended, key=lambda trial: -math.inf if trial.objective is None else trial.objective)
        return (chosen or best).point


class Optuna:
    """One of Optuna's samplers. It recommends the best observed trial.

    Args:
        sampler: The sampler.
        function: The function to search.
    """

    def __init__(self, sampler: optuna.samplers.BaseSampler, function: Function) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.function = function
        self.trials: dict[int, optuna.Trial] = {}
        for point in function.problem.starting_points:
            self.study.enqueue_trial(dict(point))

    def ask(self, number: int) -> Point:
        """Return the starting point or suggestion of a number."""
        self.trials[number] = trial = self.study.ask()
        return {d.name: _suggested(trial, d) for d in self.function.problem.space.values()}

    def tell(self, number: int, value: float | None) -> None:
        """Take a trial's objective; None if it failed."""
        state = optuna.trial.TrialState.FAIL if value is None else None
        self.study.tell(self.trials[number], value, state)

    def recommended(self) -> Point:
        """Return the point of the best observed trial."""
        return self.study.best_trial.params


def _suggested(trial: optuna.Trial, dimension: Any) -> Any:
    """Return Optuna's value of one of ConfigSpace's hyperparameters."""
    if choices := choices_of(dimension):
        return trial.suggest_categorical(dimension.name, list(choices))
    is_whole = isinstance(dimension, cs.UniformIntegerHyperparameter)
    suggest: Callable[..., float] = trial.suggest_int if is_whole else trial.suggest_float
    return suggest(dimension.name, dimension.lower, dimension.upper, log=dimension.log)


def make(name: str, function: Function, workers: int, seed: int) -> Compared:
    """Return a new search by its name in the table, with the peers' defaults."""
    if name == "tpe":
        return Optuna(optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1), function)
    if name == "gp":
        return Optuna(optuna.samplers.GPSampler(seed=seed), function)
    return Ours(name.removesuffix(" ahead"), function, seed, name.endswith(" ahead"))
