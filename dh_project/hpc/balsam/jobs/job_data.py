"""What a trial's job says of itself in its ``data`` on the server: its last reports, and its end.

The job's own worker writes it, one job a request, and always all of it. Balsam's way for results is not used: its
update of several jobs at once loses them.
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
"""So many of the last ones are told; a trial that reports more often than it is asked loses those between."""

SECONDS_BETWEEN, TRIALS_A_SECOND = 1.0, 20
"""Reports of a trial are sent at most so often; those of many trials so many a second, all together."""

LAST_PATIENCE = 60.0
"""Seconds for which the end is tried to be told; after that its file has to do."""


class JobData:
    """Tells the server of one job, in a thread, whatever the server does.

    Args:
        connect: Returns what speaks with the server; None where there is none to speak with.
        job_id: The job.
        trials: How many trials tell the server of themselves at the same time.
    """

    def __init__(self, connect: Callable[[], BalsamClient | None], job_id: int, trials: int = 1) -> None:
        self._connect, self._job_id = connect, job_id
        self._pause = max(SECONDS_BETWEEN, trials / TRIALS_A_SECOND)
        self._reports: tuple[int, list[tuple[int, float]]] = (0, [])  # all there were, and the last of them
        self._end: dict[str, Any] | None = None
        self._news = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def begin(self) -> None:
        """Begin to tell, which takes the time of some imports; before that, what is to be told is kept."""
        self._thread.start()

    def report(self, step: int, objective: float) -> None:
        """Add a report."""
        number, last = self._reports
        self._reports = (number + 1, [*last, (step, objective)][-MOST_REPORTS:])  # at once: a thread reads it
        self._news.set()

    def end(self, end: dict[str, Any]) -> None:
        """Tell the end, and wait until the server knows it or patience ends."""
        self._end = end
        if self._thread.ident is None:
            self.begin()
        self._is_over.set()
        self._news.set()
        self._thread.join(LAST_PATIENCE + 5)

    def content(self) -> dict[str, Any]:
        """Return what there is to tell: ``first`` is the number of the first report in it."""
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
                    self._news.set()  # with the next round
            if not is_last:
                self._is_over.wait(self._pause)
