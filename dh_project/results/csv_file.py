"""``results.csv``: a table of the ended and the parked trials, in the format of DeepHyper 0.13's analysis functions.

Columns: ``p:<hyperparameter>``, ``objective``, ``job_id``, ``job_status``, ``m:timestamp_submit``,
``m:timestamp_gather`` (seconds of search time), and ``m:<name>`` for each recorded value and each label of the search
(``experiment``, ``tag_<key>``). If a trial has no objective, the column ``objective`` holds ``F_<cause or state>``,
as DeepHyper marks failures, and ``m:reason`` says why.

With replicates, ``m:replicate_of`` is the id of the first trial of the same point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.files import csv_line, replacing
from dh_project.trial.trial import State, Trial

LEAD = (
    "objective",
    "job_id",
    "job_status",
    "m:timestamp_submit",
    "m:timestamp_gather",
    "m:origin",
    "m:attempt",
    "m:reason",
)
"""The columns after the hyperparameters. A recorded value with one of these names is left out."""

PARKED_AT = "m:parked_at"
"""Column of the step at which a parked trial has its objective."""


def row_of(trial: Trial, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the row of a trial. If it has not ended, ``m:parked_at`` says at which step it has this objective.

    ``m:parent`` is the trial from whose checkpoint it began, if there is one.

    Args:
        trial: The trial.
        labels: Labels of the search. They replace recorded values of the same name.
    """
    failure = f"F_{trial.cause or trial.state}"
    return {
        **{f"p:{name}": value for name, value in trial.point.items()},
        **{f"m:{name}": value for name, value in {**trial.metadata, **(labels or {})}.items()},
        "objective": failure if trial.objective is None else trial.objective,
        "job_id": trial.id,
        "job_status": trial.state.upper(),
        "m:timestamp_submit": trial.submitted,
        "m:timestamp_gather": trial.ended,
        "m:origin": trial.origin,
        "m:attempt": trial.attempt,
        "m:reason": trial.reason,
        **({} if trial.replicate_of is None else {"m:replicate_of": trial.replicate_of}),
        **({} if trial.parent is None else {"m:parent": trial.parent}),
        **({} if trial.state.has_ended else {PARKED_AT: trial.parked_at}),
    }


SECONDS, SHARE = 1.0, 0.02
"""Least seconds between two writes of the file, and the largest share of the time that writing may take."""


class ResultsFile:
    """The results file of a running search. Each row of an ended trial is formatted only once.

    Args:
        path: The file.
        names: Names of the hyperparameters, in the order of the first columns.
        labels: Labels of the search, which stand in every row.
    """

    def __init__(self, path: Path, names: Iterable[str], labels: Mapping[str, str] | None = None) -> None:
        self.path, self._labels = path, dict(labels or {})
        labels_last = [f"m:{name}" for name in self._labels]
        self._columns = dict.fromkeys([*(f"p:{name}" for name in names), *LEAD, *labels_last])
        self._text = bytearray()
        self._count = 0
        self._has_changed = False  # since the last write, in rows before self._count
        self._shown: list[tuple[int, int, State]] = []  # the unfinished trials of the last write
        self._due = -math.inf

    def begin_anew(self) -> None:
        """Forget the rows, because the trial of one of them is attempted again. The next write writes all rows."""
        self._text.clear()
        self._count = 0
        self._has_changed = True

    def write_if_due(
        self,
        ended: Sequence[Trial],
        clock: Callable[[], float],
        find_unfinished: Callable[[], Sequence[Trial]] = list,
    ) -> None:
        """Write the file if rows have changed and the last write is long enough ago.

        Args:
            ended: The ended trials, in the order of their ends.
            clock: Returns monotonic seconds.
            find_unfinished: Returns the trials that have been parked and have not ended.

        Raises:
            OSError: The file cannot be written; it keeps its old content.
        """
        began = clock()
        if began < self._due:
            return
        unfinished = find_unfinished()
        if len(ended) > self._count or self._has_changed or _states(unfinished) != self._shown:
            self.write(ended, unfinished)
            self._due = began + max(SECONDS, (clock() - began) / SHARE)

    def write(self, ended: Sequence[Trial], unfinished: Sequence[Trial] = ()) -> None:
        """Replace the file by the rows of the ended trials, then those of the unfinished ones.

        Args:
            ended: The ended trials, in the order of their ends. It begins with the trials of the last write.
            unfinished: Trials that have been parked and have not ended.

        Raises:
            OSError: The file cannot be written; it keeps its old content.
        """
        rows = [row_of(trial, self._labels) for trial in ended[self._count :]]
        last = [row_of(trial, self._labels) for trial in unfinished]
        columns = dict.fromkeys([*self._columns, *(name for row in (*rows, *last) for name in row)])
        if len(columns) > len(self._columns):  # a value that no earlier trial recorded: format all rows anew
            rows = [row_of(trial, self._labels) for trial in ended]
            self._columns = columns
            self._text.clear()
        self._text += self._lines(rows)
        self._count, self._shown = len(ended), _states(unfinished)
        with replacing(self.path) as aside, aside.open("wb") as file:
            file.write(csv_line(list(self._columns)).encode(errors="backslashreplace"))
            file.write(self._text)
            file.write(self._lines(last))
        self._has_changed = False

    def _lines(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        text = "".join(csv_line([row.get(name) for name in self._columns]) for row in rows)
        return text.encode(errors="backslashreplace")


def _states(trials: Sequence[Trial]) -> list[tuple[int, int, State]]:
    return [(trial.id, trial.attempt, trial.state) for trial in trials]
