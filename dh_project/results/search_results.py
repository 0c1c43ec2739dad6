"""``SearchResults``: the trials of a search, read from its journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.results.csv_file import row_of
from dh_project.results.ending import Ending
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.results.replicates import Replicates
from dh_project.trial.trial import Trial

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SearchResults:
    """The results of a search so far.

    Attributes:
        folder: The folder of the search.
        history: The state of the search, from its journal.
        ending: Why the last session ended; None if one is running or was killed.

    Example:
        >>> found = open_search("search")  # doctest: +SKIP
        >>> found.best.objective, found.best.point  # doctest: +SKIP
        (-0.167, {'lr': 0.01})
        >>> found.table()[["p:lr", "objective"]]  # doctest: +SKIP
    """

    folder: Path
    history: History
    ending: Ending | None = None

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        return [self.history.trials[number] for number in sorted(self.history.trials)]

    @property
    def best(self) -> Trial | None:
        """The trial with the largest objective; None if no trial has one.

        With replicates, the first trial of the point with the largest mean.
        """
        return self.history.best

    def replicates_of(self, trial: Trial) -> Replicates:
        """Return the trials of the same point, with their mean and its standard error.

        Example:
            >>> found = open_search("search")  # doctest: +SKIP
            >>> best = found.replicates_of(found.best)  # doctest: +SKIP
            >>> best.mean, best.standard_error, len(best.objectives)  # doctest: +SKIP
            (-0.171, 0.002, 3)
        """
        return self.history.replicates_of(trial)

    def table(self) -> pd.DataFrame:
        """Return the ended trials as a table with the columns of ``results.csv``, in the order of their ends.

        Hyperparameters have the types of the journal. The objective of a failed trial is missing; ``job_status`` and
        ``m:reason`` say why.
        """
        import pandas as pd

        space = self.history.identity.space if self.history.identity else {}
        names = [each["name"] for each in space.get("space", {}).get("hyperparameters", [])]
        rows = [
            row_of(trial, self.history.labels) | {"objective": trial.objective}
            for trial in self.history.ended
        ]
        columns = dict.fromkeys([*(f"p:{name}" for name in names), *row_of(NO_TRIAL)])
        columns |= dict.fromkeys(name for row in rows for name in row)
        return pd.DataFrame(rows, columns=list(columns))

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        html: str = self.table()._repr_html_()  # shortened, as pandas does
        return html

    def __repr__(self) -> str:
        best = (
            f"best objective {self.replicates_of(self.best).in_words()} (trial {self.best.id})"
            if self.best
            else "no objective"
        )
        ended = len(self.history.ended)
        return f"SearchResults({str(self.folder)!r}: {ended} trial{'s' * (ended != 1)} ended, {best})"


NO_TRIAL = Trial(-1, {}, "")
"""Its row has the columns that every row has."""


def open_search(folder: Path | str) -> SearchResults:
    """Read a search from its folder, also while it runs.

    Args:
        folder: The folder that the search was given (``--log-dir``).

    Returns:
        The results so far. Call it again to see more.

    Raises:
        UserError: No search was run in the folder, or its journal is damaged.

    Example:
        >>> open_search("no/such/folder")
        Traceback (most recent call last):
        ...
        dh_project.common.errors.UserError: no/such/folder: no search has been run here (no journal.jsonl)
    """
    return results_of(Path(folder), History.read(Path(folder)))


def results_of(folder: Path, history: History, ending: Ending | None = None) -> SearchResults:
    """Return the results of a history, with the folder of each trial's last attempt."""
    paths = SearchPaths(folder)
    for trial in history.trials.values():
        trial.folder = paths.trial(trial.id, trial.attempt) if trial.attempt else None
    return SearchResults(folder, history, ending or history.ending)


def exit_status(results: SearchResults) -> int:
    """Return the exit status of a search: 130 after a signal, 1 if too much went wrong, else 0.

    Too much went wrong if a limit of failures or losses ended the search, or if no trial has an objective.
    """
    kind = results.ending.kind if results.ending else "complete"
    if kind == "signal":
        return 130
    history: Any = results.history
    return int(kind in ("losses", "failures") or (bool(history.ended) and history.best is None))
