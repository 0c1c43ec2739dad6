"""Population-based training (Jaderberg et al., arXiv:1711.09846), without a barrier between generations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dh_project.common.errors import UserError, did_you_mean
from dh_project.hps.stoppers.base import Move, Stopper
from dh_project.trial.trial import State, Trial

if TYPE_CHECKING:
    from dh_project.problem import HpProblem

FAILED = -math.inf
"""Objective of a member whose trial failed."""


class Standing(NamedTuple):
    """What a member reached at a generation.

    Attributes:
        objective: Its last report, because a child inherits the weights of this step.
        attempt: The attempt that left the checkpoint.
        point: Its hyperparameters.
    """

    objective: float
    attempt: int
    point: Mapping[str, Any]


class PopulationStopper(Stopper):
    """Population-based training: weak members are replaced by children of strong ones.

    Each member trains for ``perturbation_interval`` steps and parks: it has reached the next generation. If it is
    among the weakest of its generation, it is not resumed. A child takes its place: a new trial that begins from the
    checkpoint of a strong member, with perturbed hyperparameters. Other members are resumed. After ``generations``,
    members stay parked.

    There is no barrier between generations. If members of a generation are still training, a free worker resumes the
    best parked member, and replaces a weak one only if there is nothing else to do. A member whose trial failed is
    replaced, too. A search starts at most ``population`` times ``generations`` trials.

    Args:
        population: Number of members.
        generations: Number of generations. The last step is this number times the interval. None: the members train
            until their run function ends. It should then report with ``of=``.
        perturbation_interval: Number of steps of a generation.
        quantile_fraction: Share of weak members, and of strong ones, at most 0.5.
        resample_probability: Probability that a hyperparameter of a child is sampled anew.
        perturbation_factors: Factors of the other numbers of a child.
        fixed: Hyperparameters that children do not change, such as the architecture: a list, or text with commas.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = PopulationStopper(population=2, perturbation_interval=5)
        >>> stopper.next_move(room=True).until
        5
    """

    name = "pbt"
    parks = True
    makes_children = True

    def __init__(
        self,
        population: int = 10,
        generations: int | None = None,
        perturbation_interval: int = 1,
        quantile_fraction: float = 0.25,
        resample_probability: float = 0.25,
        perturbation_factors: Sequence[float] = (0.8, 1.2),
        fixed: str | Sequence[str] = (),
    ) -> None:
        if population < 2:
            raise UserError(f"population={population}: give at least 2")
        if generations is not None and generations < 2:
            raise UserError(f"generations={generations}: give at least 2")
        if perturbation_interval < 1:
            raise UserError(f"perturbation_interval={perturbation_interval}: give at least 1")
        if not 0 < quantile_fraction <= 0.5:
            raise UserError(f"quantile_fraction={quantile_fraction}: give more than 0 and at most 0.5")
        if not 0 <= resample_probability <= 1:
            raise UserError(f"resample_probability={resample_probability}: give 0 to 1")
        self.population, self.interval = population, perturbation_interval
        self.generations = math.inf if generations is None else generations
        self.quantile, self.resample_probability = quantile_fraction, resample_probability
        self.factors, self.fixed = _factors(perturbation_factors), _names(fixed)
        self._problem: HpProblem | None = None
        self._seed = 0
        self._started = self._size = 0  # number of trials so far; of members, also those that have ended
        self._running: dict[int, int] = {}  # by trial: the generation from which it began
        self._idle: dict[int, int] = {}  # by trial, parked or failed: the generation it has reached
        self._standings: defaultdict[int, dict[int, Standing]] = defaultdict(dict)  # by generation and trial

    def bind(self, problem: HpProblem, seed: int) -> None:
        """Receive the space, in which the points of children lie, and the seed of the search.

        Raises:
            UserError: A fixed hyperparameter is not in the space.
        """
        names = problem.hyperparameter_names
        for name in self.fixed:
            if name not in names:
                raise UserError(
                    f"--stopper pbt fixed={name}: no hyperparameter is called {name!r}{did_you_mean(name, names)}"
                )
        self._problem, self._seed = problem, seed

    def goes_on(self, trial: Trial) -> bool:
        """Return True: a weak member is replaced after it has parked."""
        return True

    def started(self, trial: Trial) -> None:
        """Receive a trial that has been resumed, or has become a member."""
        if trial.id in self._running:
            return
        if trial.id in self._idle:
            self._running[trial.id] = self._idle.pop(trial.id)
            return
        replaced = self._chosen(room=True) if self._is_full and trial.attempt == 1 else None
        self._started += trial.attempt == 1
        generation = 0
        if replaced is None:
            self._size += 1
        else:
            generation = self._idle.pop(replaced)
        self._running[trial.id] = generation if trial.parent is not None else 0

    def ended(self, trial: Trial) -> None:
        """Receive a member that has reached a generation, or has ended."""
        began = self._running.pop(trial.id, 0)
        if trial.state is State.PARKED and trial.step is not None:
            reached = trial.step // self.interval
            standing = Standing(trial.reports[-1][1], trial.attempt, trial.point)
            self._standings[reached][trial.id] = standing
            if reached < self.generations:
                self._idle[trial.id] = reached
        elif trial.objective is None and began == 0:  # there is no checkpoint to begin a child from
            self._size -= 1
        elif trial.objective is None:
            self._standings[began][trial.id] = Standing(FAILED, trial.attempt, trial.point)
            self._idle[trial.id] = began

    def next_move(self, room: bool) -> Move | None:
        """Return a new member, a resumption or a child."""
        room = room and self._started < self.population * self.generations
        if room and not self._is_full:
            return Move(until=self.interval)
        member = self._chosen(room)
        if member is None:
            return None
        generation = self._idle[member]
        until = (generation + 1) * self.interval
        weak, strong = self._quantiles(generation)
        if not (room and member in weak):
            return Move(trial=member, until=until)
        if not strong:
            return Move(until=self.interval)
        import numpy as np  # slow, and a Tab offers the names of stoppers

        from dh_project.hps.stoppers.perturbation import perturbed

        seeds = np.random.SeedSequence([self._seed, member, generation])
        random = np.random.RandomState(np.random.MT19937(seeds))
        parent = strong[random.randint(len(strong))]
        standing = self._standings[generation][parent]
        point = dict(standing.point)
        if self._problem is not None:
            point = perturbed(
                self._problem, point, random, self.factors, self.resample_probability, self.fixed
            )
        return Move(until=until, parent=parent, parent_attempt=standing.attempt, point=point)

    def why_enough(self) -> str:
        """Return the last generation."""
        last = max(self._standings, default=0)
        is_last = last >= self.generations
        return (
            f"generation {last} is the last one, and ends at step {last * self.interval}" if is_last else ""
        )

    @property
    def _is_full(self) -> bool:
        return self._size >= self.population

    def _chosen(self, room: bool) -> int | None:
        """Return the member to resume or replace next; None if none is idle.

        Weak members are replaced first if all others have reached their generation, and last if not. Members of the
        earliest generation come first, and the best of them.

        Args:
            room: Whether a weak member can be replaced.
        """
        least = min((*self._running.values(), *self._idle.values()), default=0)
        quantiles = {generation: self._quantiles(generation) for generation in set(self._idle.values())}

        def order(member: int) -> tuple[int, int, float, int]:
            generation = self._idle[member]
            objective = self._standings[generation][member].objective
            is_weak = room and member in quantiles[generation][0]
            is_known = generation <= least or objective == FAILED
            return (1 if not is_weak else 0 if is_known else 2), generation, -objective, member

        failed_stay = (
            member
            for member, generation in self._idle.items()
            if room or self._standings[generation][member].objective > FAILED
        )
        return min(failed_stay, key=order, default=None)

    def _quantiles(self, generation: int) -> tuple[list[int], list[int]]:
        """Return the weak and the strong members of those that have reached a generation.

        As in Ray Tune, there is at least one of each if two members are known. Members that are as good as a strong
        one are not weak, and those that failed always are.
        """
        known = self._standings[generation]
        ranked = sorted(known, key=lambda member: (known[member].objective, -member))
        count = min(math.ceil(len(ranked) * self.quantile), len(ranked) // 2)
        strong = [m for m in ranked[len(ranked) - count :] if known[m].objective > FAILED]
        bound = known[strong[0]].objective if strong else FAILED
        weak = [
            member
            for place, member in enumerate(ranked)
            if known[member].objective == FAILED or (place < count and known[member].objective < bound)
        ]
        return weak, strong


def _factors(given: Sequence[float]) -> tuple[float, ...]:
    """Return the factors.

    Raises:
        UserError: They are no positive numbers.
    """
    factors = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not factors or not all(isinstance(each, int | float) and 0 < each < math.inf for each in factors):
        raise UserError(f"perturbation_factors={given!r}: give positive numbers, as in '[0.8, 1.2]'")
    return factors


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else given
    return tuple(str(name).strip() for name in names)
