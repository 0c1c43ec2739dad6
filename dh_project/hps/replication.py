"""A replication: the best configurations of a search and the default one, each run again with several seeds.

It is a search in a folder of its own. Its starting points are the configurations, and each has the same number of
replicates. So it runs on every evaluator, and continues after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.hps.session import import_from_working_directory
from dh_project.hps.settings import SearchSettings
from dh_project.problem import HpProblem
from dh_project.results.paths import SearchPaths
from dh_project.results.reading import history_beside
from dh_project.results.reruns import BestConfiguration, best_configurations
from dh_project.user_code.loading import load_run
from dh_project.user_code.problems import load_problem
from dh_project.user_code.projects import full_name
from dh_project.user_code.run_seed import SEED, takes, with_own_seed

DEFAULT = "the default configuration"
FOLDER = Path("replicate")

SEARCH_SEED = 43
"""Seed of a replication. The trials of a search, whose seed is 42, have drawn other random numbers."""


@dataclass(frozen=True)
class Replication:
    """The configurations to run again.

    Attributes:
        settings: Settings of the search that runs them.
        names: Name of each configuration, in the order of the starting points: the default one first.
        recorded: Objective of each configuration in the search; None for a default that is not among the best.
        notes: What the user must know before the trials start.
    """

    settings: SearchSettings
    names: list[str]
    recorded: list[float | None]
    notes: list[str]


def replication_of(
    source: Path,
    seeds: int = 5,
    top: int = 1,
    folder: Path = FOLDER,
    problem: str | None = None,
    run: str | None = None,
    run_kwargs: Mapping[str, Any] | None = None,
) -> Replication:
    """Return the replication of the best configurations of a search.

    Args:
        source: The folder of the search, its ``results.csv``, or the ``best.json`` that ``topk`` wrote.
        seeds: Number of trials of each configuration, at least 2.
        top: Number of best configurations.
        folder: Folder of the replication.
        problem: Import path of the problem. None takes the search's.
        run: Import path of the run function. None takes the search's.
        run_kwargs: Constant arguments that replace those of the search.

    Raises:
        UserError: The source cannot be read or does not name its problem or run function, or a configuration lies
            outside of the problem's space.
    """
    path = SearchPaths(source).results if source.is_dir() else source
    best = best_configurations(path, top)
    import_from_working_directory()
    space = _problem_of(path, best, problem)
    names, points, recorded = _configurations(path, best, space)
    again = HpProblem(space.space)
    for point in points:
        again.add_starting_point(**point)
    target = _run_of(path, best, run)
    settings = SearchSettings(
        problem=again,
        run=target,
        run_kwargs=_run_kwargs_of(best, target, run_kwargs or {}),
        folder=folder,
        seed=None if SearchPaths(folder).journal.exists() else SEARCH_SEED,
        searcher="random",
        max_evals=len(points),
        replicates=seeds,
    )
    notes = []
    if len(best) < top:
        more = f"; deephyper-analytics topk results.csv -k {top} -o {path} writes more" * (
            path.suffix == ".json"
        )
        notes.append(f"{path} has {len(best)} of the {top} best configurations: all are replicated{more}")
    if not space.starting_points:
        notes.append(
            "the problem has no starting point, so there is no default configuration to compare with"
        )
    return Replication(settings, names, recorded, notes)


def _configurations(
    path: Path, best: list[BestConfiguration], problem: HpProblem
) -> tuple[list[str], list[dict[str, Any]], list[float | None]]:
    """Return the names, points and recorded objectives: the default first, and no point twice.

    Raises:
        UserError: A point lies outside of the space.
    """
    default = problem.starting_points[:1]
    names, points = [DEFAULT] * len(default), list(default)
    recorded: list[float | None] = [None for _ in default]
    for each in best:
        try:
            point = problem.checked(each.point)
        except UserError as error:
            raise UserError(f"{path}: trial {each.trial}: {error}; has the problem changed?") from None
        if point not in points:
            names.append(f"trial {each.trial}")
            points.append(point)
            recorded.append(each.objective)
        elif names[at := points.index(point)] == DEFAULT:
            names[at], recorded[at] = f"trial {each.trial} (the default configuration)", each.objective
    return names, points, recorded


def _problem_of(path: Path, best: list[BestConfiguration], given: str | None) -> HpProblem:
    """Return the problem: the given one, that of the journal beside the file, or the one that the file names.

    Raises:
        UserError: It is unknown, or cannot be loaded.
    """
    identity = history_beside(path, []).identity if path.suffix != ".json" else None
    if given is None and identity is not None:
        return HpProblem.from_json(identity.space)
    target = given or best[0].problem
    if target is None:
        raise UserError(f"{path}: it does not say of which problem it is; name the problem with --problem")
    return load_problem(full_name(target, "Problem"))


def _run_of(path: Path, best: list[BestConfiguration], given: str | None) -> str:
    """Return the import path of the run function.

    Raises:
        UserError: It is unknown, or was sent by value.
    """
    target = given or best[0].run
    if given is None and any(each.run != target for each in best):
        raise UserError(f"{path}: its configurations are of several run functions; name one with --run")
    if target is None:
        raise UserError(
            f"{path}: it does not say how to run its configurations again; name the run function with --run, or "
            f"write the file with deephyper-analytics topk of the search's folder"
        )
    if "#" in target:
        raise UserError(
            f"{path}: its run function {target.partition('#')[0]} was defined in a script or a notebook, and cannot "
            f"be imported; write it into a file, and name it with --run run.py:run"
        )
    return target


def _run_kwargs_of(best: list[BestConfiguration], target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the run function. Its seed follows those that the search has used."""
    run = load_run(full_name(target, "run"))
    known = {name: value for name, value in best[0].run_kwargs.items() if takes(run, name)}
    used = max(int(each.facts.get("replicates", 1)) for each in best)
    return with_own_seed(run, known, 0 if SEED in given else used) | dict(given)
