"""Epochs that a search trains until it has the best: ours with each stopper, beside Optuna's and Ray Tune's.

    python -m pip install optuna 'ray[tune]'
    python benchmarks/search/epochs.py RESULTS.jsonl [searches [row …]]

Searches of 100 trials replay learning curves of CGCNN (curves.csv.gz, which make_curves.py wrote), drawn without
repetition. Ours run in the real search loop with its journal on a virtual clock: each epoch takes each worker
one second. The peers' rules are asked after each epoch in the same way. Each finished search appends a line to
RESULTS.jsonl, and a later call continues there. With 0 searches, the table of the file is printed.

Printed: the share of the epochs of the unstopped search that were trained until the best validation error was within
1 % of the unstopped best (the median, and what suffices in 97 % of the searches); and until it was the unstopped best
(the median and the largest); and the share that the whole search trained.
"""

import csv
import gzip
import hashlib
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from dh_project import HpProblem
from dh_project.evaluators.base import Evaluator
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.searchers import create_searcher
from dh_project.hps.stoppers import create_stopper
from dh_project.results.identity import Identity
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import State

CURVES = Path(__file__).with_name("curves.csv.gz")
TRIALS, EPOCHS = 100, 30
Curve = list[float]
"""Objectives (minus validation errors) by epoch."""
Key = tuple[str, int, int]
"""Row, number of workers, and seed of a search."""


def read_curves() -> list[Curve]:
    """Return the learning curves of the table."""
    with gzip.open(CURVES, "rt", newline="") as file:
        return [
            [-float(row[f"epoch_{epoch}"]) for epoch in range(1, EPOCHS + 1) if row[f"epoch_{epoch}"]]
            for row in csv.DictReader(file)
        ]


class Clock:
    """Seconds that pass when the evaluator says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Replay(Evaluator):
    """Workers that replay learning curves, one epoch a second.

    Attributes:
        objectives: The reported objectives, in their order.
    """

    def __init__(self, num_workers: int, curves: list[Curve], clock: Clock) -> None:
        self.num_workers, self.curves, self.clock = num_workers, curves, clock
        self.objectives: list[float] = []
        self._running: dict[int, Assignment] = {}
        self._epochs: dict[int, int] = {}
        self._stops: dict[int, int] = {}

    def start(self, assignment: Assignment) -> None:
        """Begin an attempt, which continues at the epoch that the trial has reached."""
        self._running[assignment.trial] = assignment

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Let all running trials train an epoch. A wait without time trains none."""
        events: list[Event] = []
        if timeout == 0.0:
            return events
        self.clock.now += 1.0
        for trial, assignment in list(self._running.items()):
            curve = self.curves[assignment.point["curve"]]
            epoch = self._epochs[trial] = self._epochs.get(trial, 0) + 1
            objective = curve[epoch - 1]
            self.objectives.append(objective)
            events.append(Reported(trial, assignment.attempt, epoch, objective))
            state = self._state(assignment, epoch, len(curve))
            if state is not State.RUNNING:
                del self._running[trial]
                events.append(Ended(trial, assignment.attempt, state, max(curve[:epoch])))
        return events

    def _state(self, assignment: Assignment, epoch: int, last: int) -> State:
        if epoch == last:
            return State.DONE
        if epoch > self._stops.get(assignment.trial, EPOCHS):
            return State.STOPPED
        if assignment.until is not None and epoch >= assignment.until:
            return State.PARKED
        return State.RUNNING

    def stop(self, trial: int, after: int) -> None:
        """Stop a trial at its next report, as workers do."""
        self._stops[trial] = after

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """Do nothing: no trial is interrupted."""

    def close(self) -> None:
        """Do nothing."""


def ours(name: str, **settings: float) -> Callable[[list[Curve], int], list[float]]:
    """Return a function that runs a search in the real loop with a stopper, and returns the objectives in order."""

    def run(curves: list[Curve], workers: int) -> list[float]:
        problem, clock = HpProblem(), Clock()
        problem.add_dim("curve", (0, len(curves) - 1))
        for number in range(len(curves)):
            problem.add_starting_point(curve=number)
        evaluator = Replay(workers, curves, clock)
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            Search(
                SearchPaths(Path(folder)),
                Identity("epochs.py", problem.to_json(), "replay", {}, 0),
                problem,
                create_searcher("random", problem, 0),
                evaluator,
                Limits(max_evals=len(curves)),
                Observer(),
                create_stopper(name, settings),
                clock=clock,
            ).run()
        return evaluator.objectives

    return run


class Rule:
    """A peer's rule, which ends trials for good."""

    def goes_on(self, trial: int, epoch: int, objective: float) -> bool:
        """Receive a report and return whether the trial continues."""
        return True

    def ended(self, trial: int, objective: float) -> None:
        """Receive a trial that has run to its end."""


class OptunaRule(Rule):
    """A pruner of Optuna."""

    def __init__(self, pruner: str, **settings: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._pruned = optuna.trial.TrialState.PRUNED
        self._study = optuna.create_study(
            direction="maximize",
            pruner=getattr(optuna.pruners, pruner)(**settings),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        self._trials: dict[int, optuna.Trial] = {}

    def goes_on(self, trial: int, epoch: int, objective: float) -> bool:
        """Ask the pruner."""
        if epoch == 1:
            self._trials[trial] = self._study.ask()
        self._trials[trial].report(objective, epoch)
        if self._trials[trial].should_prune():
            self._study.tell(self._trials[trial], state=self._pruned)
            return False
        return True

    def ended(self, trial: int, objective: float) -> None:
        """Tell the study."""
        self._study.tell(self._trials[trial], objective)


class RayTrial(NamedTuple):
    """All that Ray Tune's scheduler reads of a trial."""

    trial_id: str


class RayRule(Rule):
    """The asynchronous successive halving of Ray Tune."""

    def __init__(self, **settings: int) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        make: Any = AsyncHyperBandScheduler  # it is given its own stand-ins for a trial and a controller
        self._scheduler = make(
            time_attr="training_iteration", metric="objective", mode="max", max_t=EPOCHS, **settings
        )
        self._trials: dict[int, RayTrial] = {}

    def goes_on(self, trial: int, epoch: int, objective: float) -> bool:
        """Ask the scheduler."""
        if epoch == 1:
            self._trials[trial] = RayTrial(str(trial))
            self._scheduler.on_trial_add(None, self._trials[trial])
        result = {"training_iteration": epoch, "objective": objective}
        return self._scheduler.on_trial_result(None, self._trials[trial], result) == "CONTINUE"

    def ended(self, trial: int, objective: float) -> None:
        """Tell the scheduler."""
        result = {"training_iteration": EPOCHS, "objective": objective}
        self._scheduler.on_trial_complete(None, self._trials[trial], result)


def peer(make: Callable[[], Rule]) -> Callable[[list[Curve], int], list[float]]:
    """Return a function that runs a search in which a peer's rule ends trials."""

    def run(curves: list[Curve], workers: int) -> list[float]:
        rule, waiting = make(), iter(range(len(curves)))
        running: dict[int, int] = {}  # by trial: its epoch
        objectives: list[float] = []
        while True:
            running |= dict.fromkeys(islice(waiting, workers - len(running)), 0)
            if not running:
                return objectives
            for trial in list(running):
                running[trial] += 1
                epoch, curve = running[trial], curves[trial]
                objectives.append(curve[epoch - 1])
                goes_on = rule.goes_on(trial, epoch, curve[epoch - 1])
                if epoch == len(curve) and goes_on:
                    rule.ended(trial, max(curve))
                if epoch == len(curve) or not goes_on:
                    del running[trial]

    return run


def best_ten(curves: list[Curve], workers: int) -> list[float]:
    """Train each trial for one epoch, and the best ten to their ends."""
    best = sorted(curves, key=lambda curve: -curve[0])[:10]
    return [curve[0] for curve in curves] + [objective for curve in best for objective in curve[1:]]


ROWS: dict[str, Callable[[list[Curve], int], list[float]]] = {
    "asha": ours("asha"),
    "asha eta=3": ours("asha", eta=3),
    "asha stop=true": ours("asha", stop=True),
    "asha eta=3 stop=true": ours("asha", eta=3, stop=True),
    "hyperband": ours("hyperband"),
    "median": ours("median", first_step=6),
    "Optuna MedianPruner, grace 5": peer(
        lambda: OptunaRule("MedianPruner", n_startup_trials=5, n_warmup_steps=5)
    ),
    "Optuna MedianPruner, defaults": peer(lambda: OptunaRule("MedianPruner")),
    "Optuna HyperbandPruner": peer(lambda: OptunaRule("HyperbandPruner", max_resource=EPOCHS)),
    "Ray Tune ASHA, eta 4": peer(RayRule),
    "Ray Tune ASHA, eta 2": peer(lambda: RayRule(reduction_factor=2)),
    "one epoch each, then the best 10": best_ten,
}
"""Rows of the table: functions of the curves and the number of workers that return the objectives in order."""


def share_until(objectives: Iterable[float], target: float, total: int) -> float | None:
    """Return the share of the epochs until an objective is at least the target; None if none is."""
    numbers = (number for number, objective in enumerate(objectives, 1) if objective >= target)
    number = next(numbers, None)
    return None if number is None else number / total


def measure(row: str, workers: int, seed: int, table: list[Curve]) -> dict[str, float | None]:
    """Run one search."""
    curves = random.Random(seed).sample(table, TRIALS)
    total, best = sum(map(len, curves)), max(map(max, curves))
    objectives = ROWS[row](curves, workers)
    return {
        "near": share_until(objectives, best * 1.01, total),
        "best": share_until(objectives, best, total),
        "trained": len(objectives) / total,
    }


def suffices(shares: list[float | None], part: float) -> str:
    """Return the share that suffices in a part of the searches, or in how many searches the target was reached."""
    reached = sorted(share for share in shares if share is not None)
    needed = -(-len(shares) * round(100 * part) // 100)
    if len(reached) < needed:
        return f"only {100 * len(reached) / len(shares):.0f} % reach it"
    return f"{reached[needed - 1]:.3f}"


def main() -> None:
    """Run the searches that are missing in the file, and print the table."""
    path, searches = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rows = sys.argv[3:] or list(ROWS)
    table = read_curves()
    print(f"{len(table)} curves, {sum(map(len, table)) / len(table):.1f} epochs each", file=sys.stderr)
    digest = hashlib.sha256(json.dumps(table).encode()).hexdigest()[:12]
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(line["row"], line["workers"], line["seed"]): line for line in lines if line["table"] == digest}
    wanted = [(row, workers) for workers in (1, 8) for row in rows]
    with path.open("a") as file:
        for key in [(row, workers, seed) for seed in range(searches) for row, workers in wanted]:
            if key not in known:
                row, workers, seed = key
                known[key] = {**dict(zip(("row", "workers", "seed"), key, strict=True)), "table": digest}
                known[key] |= measure(row, workers, seed, table)
                file.write(json.dumps(known[key]) + "\n")
                file.flush()
    show(known, wanted, f"searches of {TRIALS} of {len(table)} curves; {describe_machine()}")


def show(known: Mapping[Key, Mapping[str, Any]], wanted: Iterable[tuple[str, int]], title: str) -> None:
    """Print the table of the searches in the file."""
    shown = Table(title=title, box=None)
    for name in (
        "workers", "rule", "searches", "within 1 %: median", "97 %", "the best: median", "all", "trained",
    ):  # fmt: skip
        shown.add_column(name)
    for row, workers in wanted:
        found = [line for key, line in known.items() if key[:2] == (row, workers)]
        if not found:
            continue
        near, best = [one["near"] for one in found], [one["best"] for one in found]
        trained = statistics.median(one["trained"] for one in found)
        shown.add_row(
            str(workers), row, str(len(found)), suffices(near, 0.5), suffices(near, 0.97),
            suffices(best, 0.5), suffices(best, 1.0), f"{trained:.3f}",
        )  # fmt: skip
    Console(width=150).print(shown)


if __name__ == "__main__":
    main()
