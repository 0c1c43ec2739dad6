"""``results.csv``: a table of the ended trials, in the format of DeepHyper 0.13's analysis functions.

Columns: ``p:<hyperparameter>``, ``objective``, ``job_id``, ``job_status``, ``m:timestamp_submit``,
``m:timestamp_gather`` (seconds of search time), and ``m:<name>`` for each recorded value and each label of the search
(``experiment``, ``tag_<key>``). If a trial has no objective, the column ``objective`` holds ``F_<cause or state>``,
as DeepHyper marks failures, and ``m:reason`` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.files import csv_line, replacing
from dh_project.trial.trial import Trial

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


def row_of(trial: Trial, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the row of an ended trial.

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
    }


SECONDS, SHARE = 1.0, 0.02
"""Least seconds between two writes of the file, and the largest share of the time that writing may take."""


class ResultsFile:
    """The results file of a running search. Each row is formatted only once.

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
        self._due = -math.inf

    def begin_anew(self) -> None:
        """Forget the rows, because the trial of one of them is attempted again. The next write writes all rows."""
        self._text.clear()
        self._count = 0
        self._has_changed = True

    def write_if_due(self, ended: Sequence[Trial], clock: Callable[[], float]) -> None:
        """Write the file if rows have changed and the last write is long enough ago.

        Args:
            ended: The ended trials, in the order of their ends.
            clock: Returns monotonic seconds.

        Raises:
            OSError: The file cannot be written; it keeps its old content.
        """
        began = clock()
        if began >= self._due and (len(ended) > self._count or self._has_changed):
            self.write(ended)
            self._due = began + max(SECONDS, (clock() - began) / SHARE)

    def write(self, ended: Sequence[Trial]) -> None:
        """Replace the file by the rows of the ended trials.

        Args:
            ended: The ended trials, in the order of their ends. It begins with the trials of the last write.

        Raises:
            OSError: The file cannot be written; it keeps its old content.
        """
        rows = [row_of(trial, self._labels) for trial in ended[self._count :]]
        columns = dict.fromkeys([*self._columns, *(name for row in rows for name in row)])
        if len(columns) > len(self._columns):  # a value that no earlier trial recorded: format all rows anew
            rows = [row_of(trial, self._labels) for trial in ended]
            self._columns = columns
            self._text.clear()
        for row in rows:
            self._text += csv_line([row.get(name) for name in self._columns]).encode(
                errors="backslashreplace"
            )
        self._count = len(ended)
        with replacing(self.path) as aside, aside.open("wb") as file:
            file.write(csv_line(list(self._columns)).encode(errors="backslashreplace"))
            file.write(self._text)
        self._has_changed = False
