"""The evaluators of this project and their peers, each with a random search.

    python benchmarks/clusters/carriers.py PEER WORKERS TRIALS SECONDS FOLDER

runs a search of a peer. Start a peer with ranks by ``mpiexec``.
"""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from resting import rest

sys.path.append(str(Path(__file__).parents[1] / "search"))
from ray_tune import run_tune
from space import CHOICES, PROBLEM

SAID = "said"
"""File in a search's folder to which its trials write their start and end."""


@dataclass(frozen=True)
class Carrier:
    """An evaluator, or a peer.

    Attributes:
        name: Name in the tables.
        key: Name on the command line.
        process: Kind of process in which a trial runs.
        against: Key of the evaluator of this project with whose rate a peer is compared. Empty for our own.
        ranks: Whether ``mpiexec`` starts it, with one rank more than workers, which searches.
        most: Most trials in a measurement with trials of 0 s.
    """

    name: str
    key: str
    process: str
    against: str = ""
    ranks: bool = False
    most: int = 200

    def command(self, workers: int, trials: int, seconds: float, folder: Path) -> list[str]:
        """Return the command line of a search with its files in the folder."""
        start = [mpiexec(), "-n", str(workers + 1)] if self.ranks else []
        if self.against:
            words = [self.key, str(workers), str(trials), str(seconds), str(folder)]
            return [*start, sys.executable, __file__, *words]
        (folder / "problem.py").write_text(PROBLEM)
        files = [
            "--problem",
            str(folder / "problem.py"),
            "--run",
            str(Path(__file__).with_name("resting.py")),
        ]
        constants = ["--run-kwargs", f"seconds={seconds}", f"said={folder / SAID}"]
        where = ["--evaluator", self.key, "--num-workers", str(workers), "--log-dir", str(folder / "search")]
        search = ["-m", "dh_project.cli.main", "hps", "random", "--max-evals", str(trials)]
        return [*start, sys.executable, *search, *where, *files, *constants]


CARRIERS = (
    Carrier("this project, process", "process", "its own"),
    Carrier("this project, ray", "ray", "its own"),
    Carrier("this project, mpi", "mpi", "its own", ranks=True),
    Carrier("DeepHyper ray", "deephyper-ray", "a worker's", against="ray"),
    Carrier("DeepHyper mpicomm", "deephyper-mpicomm", "a rank's", against="mpi", ranks=True),
    Carrier("Ray Tune", "tune", "its own", against="ray", most=16),
    Carrier("Ray Tune, reuse_actors", "tune-reuse", "a worker's", against="ray", most=100),
)


def mpiexec() -> str:
    """Return the launcher beside this Python, or else the machine's."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"


# ---- peers


def deephyper_trial(job: Any, seconds: float, said: str) -> float:
    """Run function of DeepHyper."""
    rest(seconds, said)
    value: float = job.parameters["dropout"]
    return value


def tune_trial(config: dict[str, Any], seconds: float, said: str) -> dict[str, float]:
    """Run function of Ray Tune."""
    rest(seconds, said)
    return {"score": config["dropout"]}


def search_with_deephyper(method: str, workers: int, trials: int, seconds: float, folder: Path) -> None:
    """Run DeepHyper's random search on one of its evaluators, with the changes that it needs to run here."""
    from deephyper.evaluator import Evaluator
    from deephyper.evaluator.storage import MemoryStorage
    from deephyper.hpo import HpProblem, RandomSearch

    problem = HpProblem()
    problem.add((1e-4, 1e-1, "log-uniform"), "lr")
    problem.add((0.0, 0.5), "dropout")
    problem.add((16, 256, "log-uniform"), "units")
    problem.add(CHOICES, "activation")
    options: dict[str, Any] = {"run_function_kwargs": {"seconds": seconds, "said": str(folder / SAID)}}
    if method == "ray":
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        options |= {"address": "local", "num_cpus": workers, "num_workers": workers, "ray_kwargs": quiet}
    else:
        options["storage"] = MemoryStorage()  # MPICH aborts in its default storage
    evaluator = Evaluator.create(deephyper_trial, method=method, method_kwargs=options)

    def search() -> None:
        searcher = RandomSearch(problem, random_state=42, log_dir=str(folder))
        searcher.search(evaluator, max_evals=trials, max_evals_strict=True)

    if method == "ray":
        search()
        return
    with evaluator as ranks:
        if ranks is not None and ranks.is_master:
            search()


def main() -> None:
    """Run a search of a peer."""
    key, workers, trials, seconds, folder = sys.argv[1:]
    if key.startswith("deephyper"):
        method = key.removeprefix("deephyper-")
        search_with_deephyper(method, int(workers), int(trials), float(seconds), Path(folder))
        return
    objective = partial(tune_trial, seconds=float(seconds), said=str(Path(folder) / SAID))
    run_tune(objective, int(workers), int(trials), Path(folder), key == "tune-reuse")


if __name__ == "__main__":
    main()
