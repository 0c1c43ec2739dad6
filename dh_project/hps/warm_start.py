"""Results of other searches for the searcher to begin with (``--warm-start results.csv``).

The other search may have had another data set, so its objectives may have another scale. Each result of this search
is paired with the nearest point of the other search. A straight line fitted to the pairs (objective there, objective
here) converts the other objectives to this search's scale. If the line falls, the other search is misleading, and
its objectives are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from dh_project.common.errors import UserError
from dh_project.hps.searchers.cube import Cube
from dh_project.problem import HpProblem
from dh_project.problem.texts import MISSING, TextError, value_of_text
from dh_project.results.reading import Outcome, read_outcomes
from dh_project.trial.trial import Point, Trial

FEWEST = 5
"""Fewest results of this search for a fit. With fewer, the other objectives are used unchanged."""


class WarmStart(NamedTuple):
    """The results of another search that lie in this problem's space.

    Attributes:
        path: The absolute path of the results file.
        results: Points and their objectives; None if the trial failed.
        passed_over: Number of rows outside of the space.
    """

    path: str
    results: list[tuple[Point, float | None]]
    passed_over: int


def read_source(path: Path, problem: HpProblem) -> WarmStart:
    """Read all rows of a results file in today's or an old format, also those of failed trials.

    Raises:
        UserError: The file is not a results file, a cell cannot be read, or none of its rows lies in the problem's
            space.
    """
    try:
        outcomes = read_outcomes(path)
    except UserError as error:
        aside = sorted(path.parent.glob(f"earlier-*/{path.name}"))
        hint = f" (did you mean {aside[-1]}, which --fresh moved?)" if aside and not path.exists() else ""
        raise UserError(f"--warm-start {error}{hint}") from None
    results, first = [], ""
    for outcome in outcomes:
        try:
            results.append((_point_of(path, outcome, problem), outcome.objective))
        except OutsideError as error:
            first = first or str(error)
    if not results:
        raise UserError(
            f"--warm-start {path}: none of its {len(outcomes)} trials lies in this problem's space ({first})"
        )
    return WarmStart(str(path.resolve()), results, len(outcomes) - len(results))


class OutsideError(Exception):
    """The point of a row lies outside of the space."""


def _point_of(path: Path, outcome: Outcome, problem: HpProblem) -> Point:
    """Return the point of a row: as the journal beside the file has it, or read from its texts.

    Raises:
        OutsideError: The point lies outside of the space.
        UserError: A text cannot be read as a value of its hyperparameter.
    """
    point: Point = {}
    for name, dimension in problem.space.items():
        if outcome.point is not None:
            if name in outcome.point:
                point[name] = outcome.point[name]
            continue
        try:
            value = value_of_text(dimension, outcome.texts.get(name, ""))
        except TextError as error:
            cell = f"{path}, row {outcome.row}, column {outcome.prefix}{name}"
            raise UserError(f"--warm-start {cell}: {error}") from None
        if value is not MISSING:
            point[name] = value
    try:
        return problem.checked(point)
    except UserError as error:
        raise OutsideError(str(error)) from None


def on_one_scale(cube: Cube, known: Sequence[Trial], ended: Sequence[Trial]) -> Sequence[Trial]:
    """Return trials of other searches with objectives on the scale of this search.

    Args:
        cube: The space.
        known: Trials of other searches.
        ended: Ended trials of this search.

    Returns:
        The known trials; only those without an objective if the others contradict the results of this search.
    """
    theirs = [trial for trial in known if trial.objective is not None]
    own = [trial for trial in ended if trial.objective is not None]
    if not theirs or len(own) < FEWEST:
        return known
    points = cube.vectors([trial.point for trial in theirs])
    nearest = KDTree(points).query(cube.vectors([trial.point for trial in own]), p=np.inf)[1]
    there = np.array([trial.objective for trial in theirs])[nearest]
    here = np.array([trial.objective for trial in own])
    if np.ptp(there) == 0.0:
        slope, offset = 1.0, float(here.mean() - there.mean())
    else:
        slope, offset = np.polyfit(there, here, 1)
    if slope <= 0:
        return [trial for trial in known if trial.objective is None]
    return [
        trial
        if trial.objective is None
        else replace(trial, objective=float(slope * trial.objective + offset))
        for trial in known
    ]
