"""Makes the assignments for workers: what one attempt at a trial is told."""

from __future__ import annotations

import logging

from dh_project.hps.limits import Limits
from dh_project.hps.stoppers.base import Stopper
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.trial import Trial

log = logging.getLogger("dh_project")


class Assignments:
    """Makes the assignments of a search.

    Args:
        paths: Paths of the search.
        limits: Limits of the trials.
        history: The state of the search.
        stopper: The stopper; None for no stopper.
    """

    def __init__(self, paths: SearchPaths, limits: Limits, history: History, stopper: Stopper | None) -> None:
        self._paths, self._limits, self._history = paths, limits, history
        self._keeps_checkpoints = stopper is None or not stopper.parks or stopper.makes_children

    def of(self, trial: Trial) -> Assignment:
        """Return the assignment of a trial's last attempt."""
        previous = self._paths.previous(trial.id, trial.attempt)
        if trial.parent is not None and trial.parent_attempt is not None:
            of_parent = self._paths.previous(trial.parent, trial.parent_attempt + 1)
            if not previous and not of_parent:
                log.warning(
                    "trial %d starts from step 1: the files of its parent, trial %d, are gone",
                    trial.id,
                    trial.parent,
                )
            previous += of_parent
        return Assignment(
            trial=trial.id,
            attempt=trial.attempt,
            point=trial.point,
            folder=str(self._paths.trial(trial.id, trial.attempt).absolute()),
            previous_folders=[str(path.absolute()) for path in previous],
            until=trial.until,
            criteria=self._limits.criteria.of_trials,
            replicate=self._history.number_among_replicates(trial),
            keeps_checkpoints=self._keeps_checkpoints,
            time_limit=self._limits.trial_timeout,
            memory_limit=self._limits.trial_memory,
        )
