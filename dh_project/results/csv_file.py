"""``results.csv``: the view of a search that people and DeepHyper 0.13's analysis functions read.

One row an ended trial: ``p:<hyperparameter>``, ``objective``, ``job_id``, ``job_status``,
``m:timestamp_submit``, ``m:timestamp_gather`` (seconds of search time), and ``m:<fact>`` for each recorded
fact and each label of the search (``experiment``, ``tag_<key>``). Where a trial has no objective, that column, and
only that, holds ``F_<cause or state>``, as DeepHyper marks failures, and ``m:reason`` says why.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.files import replacing
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
"""The columns behind the hyperparameters. A recorded fact of such a name gives way to them."""


def row_of(trial: Trial, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the row of an ended trial.

    Args:
        trial: The trial.
        labels: The search's, which a recorded fact of the same name gives way to.
    """
    failure = f"F_{trial.cause or trial.state}"
    return {
        **{f"p:{name}": value for name, value in trial.point.items()},
        **{f"m:{name}": value for name, value in {**trial.facts, **(labels or {})}.items()},
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
"""The file is replaced at most so often, taking at most such a share of the time."""


class ResultsFile:
    """The results file of a search that runs, whose rows are put into words once each.

    Args:
        path: The file.
        names: The problem's hyperparameters, which give the first columns their order.
        labels: What the user calls the search, in every row.
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
        """Do the same as :meth:`write`, but not so often.

        Raises:
            OSError: It cannot be written; the old content stays.
        """
        began = clock()
        if began >= self._due and (len(ended) > self._count or self._has_changed):
            self.write(ended)
            self._due = began + max(SECONDS, (clock() - began) / SHARE)

    def write(self, ended: Sequence[Trial]) -> None:
        """Replace the file by the rows of the ended trials, in this order, of which those before are known.

        Raises:
            OSError: It cannot be written; the old content stays.
        """
        rows = [row_of(trial, self._labels) for trial in ended[self._count :]]
        columns = dict.fromkeys([*self._columns, *(name for row in rows for name in row)])
        if len(columns) > len(self._columns):  # a fact that no earlier trial had: all rows get its column
            rows = [row_of(trial, self._labels) for trial in ended]
            self._columns = columns
            self._text.clear()
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self._columns), lineterminator="\n")
        writer.writerows(rows)
        self._text += text.getvalue().encode(errors="backslashreplace")
        self._count = len(ended)
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(self._columns)
        with replacing(self.path) as aside, aside.open("wb") as file:
            file.write(header.getvalue().encode(errors="backslashreplace"))
            file.write(self._text)
        self._has_changed = False
