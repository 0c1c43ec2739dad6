"""The best configurations of a search, with the settings that run them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.results.reading import FACT, Result, history_beside, read_results

CONSTANTS = ("seed", "threads")
"""Recorded values that the objective depends on and that a run function accepts as arguments."""


@dataclass(frozen=True)
class BestConfiguration:
    """One of the best points of a search, and the settings that rerun it.

    Attributes:
        trial: The trial's id.
        point: The hyperparameters.
        objective: The recorded objective.
        run: Import path of the run function; None if unknown.
        run_kwargs: Its constant arguments, with the recorded seed and threads if they are known.
        problem: Import path of the problem; None if unknown.
        facts: The recorded values.
    """

    trial: str
    point: dict[str, Any]
    objective: float
    run: str | None
    run_kwargs: dict[str, Any]
    problem: str | None = None
    facts: dict[str, Any] = field(default_factory=dict, compare=False)


def reruns_of(path: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the settings that rerun each result, beside its point: problem, run, run-kwargs, seed and threads.

    They are read from the journal beside the results file. Without a journal only the recorded seed and threads are
    known.

    Args:
        path: The results file.
        results: Results of that file.
    """
    identity = history_beside(path, []).identity
    search: dict[str, Any] = {}
    if identity is not None:
        search = {"run": identity.run_to_load, "run_kwargs": dict(identity.run_kwargs)}
        if identity.problem_to_load is not None:
            search["problem"] = identity.problem_to_load
    return [
        {**search, **{name: result.facts[name] for name in CONSTANTS if name in result.facts}}
        for result in results
    ]


def best_configuration(path: Path) -> BestConfiguration:
    """Read the best configuration from a ``results.csv``, or from a ``best.json`` that ``topk`` wrote.

    Raises:
        UserError: The file is neither, it is empty, or all its trials failed.
    """
    return best_configurations(path, 1)[0]


def best_configurations(path: Path, most: int) -> list[BestConfiguration]:
    """Read the best configurations from a ``results.csv``, or from a ``best.json`` that ``topk`` wrote.

    Args:
        path: The file.
        most: Largest number of configurations.

    Returns:
        The configurations, the best first; at least one.

    Raises:
        UserError: The file is neither, it is empty, or all its trials failed.
    """
    if path.suffix != ".json":
        results = read_results(path, most)
        reruns = reruns_of(path, results)
        return [
            _best(str(result.id), result.point, result.objective, result.facts, rerun)
            for result, rerun in zip(results, reruns, strict=True)
        ]
    try:
        table = json.loads(path.read_text())
        return [_of_entry(dict(table["0"])), *(_of_entry(dict(table[rank])) for rank in list(table)[1:most])]
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no such file; make it with deephyper-analytics topk results.csv -o {path}"
        ) from None
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(
            f"{path}: not a file that deephyper-analytics topk results.csv -o {path.name} writes"
        ) from None


def _of_entry(entry: dict[str, Any]) -> BestConfiguration:
    """Return the configuration of an entry of ``best.json``.

    Raises:
        ValueError, KeyError, TypeError: The entry has another form.
    """
    trial, objective = str(entry.pop("id")), float(entry.pop("objective"))
    entry.pop("elapsed_sec", None)
    rerun = entry.pop("rerun", {})
    facts = {name.removeprefix(FACT): value for name, value in entry.items() if name.startswith(FACT)}
    point = {name: value for name, value in entry.items() if not name.startswith(FACT)}
    return _best(trial, point, objective, facts, rerun)


def _best(
    trial: str, point: dict[str, Any], objective: float, facts: dict[str, Any], rerun: dict[str, Any]
) -> BestConfiguration:
    constants: dict[str, Any] = {name: rerun[name] for name in CONSTANTS if name in rerun}
    run_kwargs = {**constants, **rerun.get("run_kwargs", {})}
    return BestConfiguration(
        trial, point, objective, rerun.get("run"), run_kwargs, rerun.get("problem"), facts
    )
