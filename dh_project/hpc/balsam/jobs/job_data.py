"""The ``data`` of a trial's job on the server: the last reports of the trial, and its end.

The job itself writes all of it in each request, and each request updates one job. Balsam's own way for results is not
used, because its update of several jobs in one request loses fields.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dh_project.hpc.balsam.client.client import BalsamClient

log = logging.getLogger("dh_project")

MOST_REPORTS = 100
"""Number of reports in the data. If a trial reports more between two requests, the older ones are lost."""

SECONDS_BETWEEN, TRIALS_A_SECOND = 1.0, 20
"""Shortest interval between two requests of a trial, and most requests of all trials per second."""

LAST_PATIENCE = 60.0
"""Seconds for which sending the end is tried; after that, only the result file tells it."""


class JobData:
    """Sends the data of one job to the server, in a thread of its own.

    Args:
        connect: Returns a client of the server; None if the server cannot be reached.
        job_id: Id of the job.
        trials: Number of trials that send data at the same time.
    """

    def __init__(self, connect: Callable[[], BalsamClient | None], job_id: int, trials: int = 1) -> None:
        self._connect, self._job_id = connect, job_id
        self._pause = max(SECONDS_BETWEEN, trials / TRIALS_A_SECOND)
        self._reports: tuple[int, list[tuple[int, float]]] = (
            0,
            [],
        )  # the number of all reports, and the last ones
        self._end: dict[str, Any] | None = None
        self._news = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def begin(self) -> None:
        """Start the thread. Reports from before are kept. The imports of the client take some time."""
        self._thread.start()

    def report(self, step: int, objective: float) -> None:
        """Add a report."""
        number, last = self._reports
        self._reports = (
            number + 1,
            [*last, (step, objective)][-MOST_REPORTS:],
        )  # one assignment: a thread reads it
        self._news.set()

    def end(self, end: dict[str, Any]) -> None:
        """Send the end, and wait until the server has it or the patience is used up."""
        self._end = end
        if self._thread.ident is None:
            self.begin()
        self._is_over.set()
        self._news.set()
        self._thread.join(LAST_PATIENCE + 5)

    def content(self) -> dict[str, Any]:
        """Return the data; ``first`` is the number of the first report in it."""
        number, last = self._reports
        data: dict[str, Any] = {"first": number - len(last), "reports": last}
        return data if self._end is None else {**data, "end": self._end}

    def _tell(self) -> None:
        from dh_project.hpc.balsam.client.client import Refused, ServerError

        client, is_last = self._connect(), False
        while client is not None and not is_last:
            self._news.wait()
            self._news.clear()
            is_last = self._is_over.is_set()
            client.patience = LAST_PATIENCE if is_last else 0.0
            try:
                client.update_job(self._job_id, data=self.content())
            except ServerError as error:
                log.warning("%s", error)
                if not isinstance(error, Refused):
                    self._news.set()  # try again in the next round
            if not is_last:
                self._is_over.wait(self._pause)
