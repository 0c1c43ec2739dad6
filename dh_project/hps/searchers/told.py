"""The data of a model: which trials it is told, and with which objectives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dh_project.trial.trial import State, Trial

UNFINISHED = (State.STOPPED, State.PARKED)
"""States of trials that a stopper ended or parked before their last step."""

MOST_COMPARED = 200
"""Largest number of trials from which the gain after a step is estimated."""


def final_objectives(ended: Sequence[Trial]) -> np.ndarray:
    """Return the objectives of trials at the end of their training: float64 (trials,); nan without an objective.

    The objective of a parked or stopped trial is that of its last step. What a trial gains after this step is
    estimated by the median gain of the trials that went further, and added. So objectives of different steps are
    comparable.

    Args:
        ended: Ended and parked trials.

    Example:
        >>> done = Trial(0, {}, "random", 1, State.DONE, -1.0, reports=[(1, -4.0), (9, -1.0)])
        >>> parked = Trial(1, {}, "random", 1, State.PARKED, -5.0, reports=[(1, -5.0)])
        >>> final_objectives([done, parked])
        array([-1., -2.])
    """
    objectives = np.array([np.nan if t.objective is None else t.objective for t in ended], dtype=float)
    steps = np.array([t.reports[-1][0] if t.state in UNFINISHED and t.reports else np.inf for t in ended])
    open_steps = sorted(set(steps[np.isfinite(steps) & ~np.isnan(objectives)]), reverse=True)
    if not open_steps:
        return objectives
    has_curve = np.array([bool(t.reports) for t in ended]) & ~np.isnan(objectives)
    furthest = [int(index) for index in np.argsort(-steps, kind="stable") if has_curve[index]][:MOST_COMPARED]
    curves = {index: dict(ended[index].reports) for index in furthest}
    gain = 0.0
    for step in open_steps:
        gains = [
            objectives[index] - curves[index][step]
            for index in furthest
            if steps[index] > step and step in curves[index]
        ]
        gain = float(np.median(gains)) if gains else gain
        objectives[steps == step] += gain
    return objectives


def most_telling(objectives: np.ndarray, most: int) -> np.ndarray:
    """Return the indices, int (trials,), of at most ``most`` trials for a fit, in their order.

    One half are the best trials, which locate the optimum. The others, also failures, are evenly spread over the
    search and show bad regions.

    Args:
        objectives: Float64 (trials,); nan for a failure.
        most: Largest number of trials, at least 2.

    Example:
        >>> most_telling(np.array([0.0, -1.0, -2.0, -3.0, -4.0, -5.0]), 4)
        array([0, 1, 2, 5])
    """
    if len(objectives) <= most:
        return np.arange(len(objectives))
    ranked = np.argsort(np.where(np.isnan(objectives), np.inf, -objectives), kind="stable")
    best, others = ranked[: most // 2], np.sort(ranked[most // 2 :])
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).round().astype(int)]
    return np.sort(np.concatenate([best, spread]))


def warped(objectives: np.ndarray) -> np.ndarray:
    """Return standardised objectives for a Gaussian process: float64 (trials,).

    Gaps to the best objective are compressed logarithmically, from the median gap on. So a few very bad trials do not
    hide the differences of good ones. The scale of the objective and its zero do not matter. A failure gets the worst
    objective.

    Args:
        objectives: Float64 (trials,); nan for a failure. At least one is no failure.

    Example:
        >>> warped(np.array([-1e9, 1.0, 2.0, 3.0])).round(1)
        array([-1.7,  0.5,  0.6,  0.6])
    """
    size = np.nanmax(np.abs(objectives)) or 1.0
    values = np.where(np.isnan(objectives), np.nanmin(objectives), objectives) / size
    gaps = values.max() - values
    values = -np.log1p(gaps / (np.median(gaps) or gaps.mean() or 1.0))
    deviation = values.std()
    standard: np.ndarray = (values - values.mean()) / (deviation or 1.0)
    return standard
