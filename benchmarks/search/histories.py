"""Searches of any length on disk, made without running a trial: ours, and the same for Optuna's journal."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from space import CHOICES, PROBLEM, suggest

from dh_project.problem import HpProblem
from dh_project.results import records
from dh_project.results.history import Identity
from dh_project.results.journal import Place, Record, encode
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import State
from dh_project.user_code.loading import absolute_target

SEED = 42

RUN = "import time\ndef run(point):\n    print(time.time())\n    return point['dropout']\n"
"""A trial's log.txt then says when it began."""


def make_problem() -> HpProblem:
    """Return the problem that the file says too."""
    names: dict[str, Any] = {}
    exec(PROBLEM, names)
    problem: HpProblem = names["Problem"]
    return problem


def write_files(folder: Path) -> tuple[Path, Path]:
    """Write the problem and the run function; return their paths."""
    problem, run = folder / "problem.py", folder / "run.py"
    problem.write_text(PROBLEM)
    run.write_text(RUN)
    return problem, run


def identity_of(folder: Path) -> Identity:
    """Return the identity of a search with the folder's files."""
    problem, run = write_files(folder)
    return Identity(
        problem=absolute_target(str(problem)),
        space=make_problem().to_json(),
        run=absolute_target(str(run)),
        run_kwargs={},
        seed=SEED,
    )


def point_of(trial: int) -> dict[str, Any]:
    """Return a random point of the problem."""
    choose = random.Random(trial)
    return {
        "lr": 10 ** choose.uniform(-4, -1),
        "dropout": choose.uniform(0.0, 0.5),
        "units": choose.randint(16, 256),
        "activation": choose.choice(CHOICES),
    }


def told(
    identity: Identity, trials: int, reports: int, point_of: Callable[[int], dict[str, Any]] = point_of
) -> Iterator[Record]:
    """Yield the records of a search whose trials all ended, one after another."""
    yield records.search(identity)
    for trial in range(trials):
        point = point_of(trial)
        one = {"at": float(trial), "trial": trial, "attempt": 1}
        yield {"kind": "start", **one, "point": point, "origin": "random"}
        for step in range(1, reports + 1):
            yield {"kind": "report", **one, "step": step, "objective": point["dropout"] * step / reports}
        yield {
            "kind": "end",
            **one,
            "state": State.DONE,
            "objective": point["dropout"],
            "reason": None,
            "facts": {"seed": trial, "epochs": 10, "test_mae": point["lr"]},
            "worker": "host:1",
            "lost": False,
        }


def write_journal(folder: Path, trials: int, reports: int) -> Identity:
    """Write a search's journal; return which search it is."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = identity_of(folder)
    place = Place()
    with SearchPaths(folder).journal.open("wb") as file:
        for record in told(identity, trials, reports):  # each in a commit of its own, as with one worker
            commit, place = place.commit([encode(record)])
            file.write(commit)
    return identity


def write_optuna_journal(path: Path, trials: int, reports: int) -> None:
    """Write the journal that Optuna itself would, every operation of every trial, at once."""
    import optuna
    from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalStorage

    class Memory(BaseJournalBackend):
        def __init__(self) -> None:
            self.logs: list[dict[str, Any]] = []

        def read_logs(self, log_number_from: int) -> Any:
            return self.logs[log_number_from:]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            self.logs.extend(logs)

    memory = Memory()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="nothing", storage=JournalStorage(memory), sampler=optuna.samplers.RandomSampler(seed=SEED)
    )
    for _ in range(trials):
        trial = study.ask()
        dropout = suggest(trial)
        for step in range(1, reports + 1):
            trial.report(dropout * step / reports, step)
        study.tell(trial, dropout)
    JournalFileBackend(str(path)).append_logs(memory.logs)
