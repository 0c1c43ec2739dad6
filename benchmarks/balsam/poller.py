"""What the ``balsam`` evaluator asks of the server while jobs are under way: requests and bytes a minute.

    source DIR/activate                    # a folder of balsam-init; else a temporary one is made
    python benchmarks/balsam/poller.py [seconds]

Searches with 10, 100 and 5,000 jobs under way, and one with 10 after 5,000 that are over, stand beside each other,
each with an evaluator of its own, whose requests are counted where they are sent. No launcher runs: the jobs are set
running by hand. First nothing happens to them; then one job of each search reports every second, by a request such as
its worker sends. The evaluator asks for all jobs every two minutes, so each of the two is measured for as long.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from balsam_folder import CountedClient, assignment_of, balsam_folder, context_of, resting_place, tell
from rich.console import Console
from rich.table import Table

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import JobState
from dh_project.hpc.balsam.evaluator import ALL_SECONDS, LONGEST_WAIT, OVERLAP, BalsamEvaluator
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.watch import key_of
from dh_project.trial.events import Ended, Reported

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

SEARCHES = ((10, 0), (100, 0), (5000, 0), (10, 5000))
"""Jobs under way, and jobs that are over."""

SECONDS_BETWEEN = 1.0
"""From one report of a search to its next."""


class Polled:
    """A search whose evaluator is watched.

    Args:
        evaluator: Has its jobs.
        client: Counts the evaluator's requests.
        jobs: Numbers of the jobs under way, by their trials.
        over: How many of its jobs are over.
    """

    def __init__(
        self, evaluator: BalsamEvaluator, client: CountedClient, jobs: dict[int, int], over: int
    ) -> None:
        self._evaluator, self._client, self.jobs, self.over = evaluator, client, jobs, over
        self._reports: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self._sent: dict[tuple[int, int], float] = {}
        self._delays: list[float] = []
        self._running = len(jobs)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def report(self, client: BalsamClient, number: int) -> None:
        """Let one of the jobs report, as its worker does."""
        trial = list(self.jobs)[number % len(self.jobs)]
        reports = self._reports[trial]
        reports.append((len(reports), -0.123456789))
        self._sent[trial, len(reports) - 1] = time.perf_counter()
        client.update_job(self.jobs[trial], data={"first": 0, "reports": reports})

    def join(self) -> None:
        """Wait until the evaluator knows that all is over."""
        self._thread.join()

    def row(self, began: float, ended: float) -> tuple[str, ...]:
        """Return what was asked between two times."""
        requests = [request for request in self._client.requests if began <= request.sent < ended]
        minutes = (ended - began) / 60
        delays, self._delays = self._delays, []
        return (
            f"{len(self.jobs):,}" + (f", {self.over:,} over" if self.over else ""),
            f"{len(requests) / minutes:.1f}",
            f"{sum(request.received for request in requests) / minutes / 2**20:.3f}",
            f"{max(request.received for request in requests) / 2**20:.3f}",
            f"{100 * sum(request.seconds for request in requests) / (ended - began):.1f} %",
            f"{statistics.median(delays):.2f}" if delays else "–",
        )

    def _listen(self) -> None:
        while self._running:
            for event in self._evaluator.wait(1.0):
                if isinstance(event, Reported):
                    self._delays.append(time.perf_counter() - self._sent[event.trial, event.step])
                self._running -= isinstance(event, Ended)


@contextmanager
def polled(installation: Installation, under_way: int, over: int) -> Iterator[Polled]:
    """Yield a search with jobs that are set running, and such as are over; its evaluator is closed at the end."""
    with (
        CountedClient.new(installation) as client,
        CountedClient.new(installation) as helper,
        resting_place(installation, client, under_way) as place,
    ):
        context = context_of(place)
        requests = [place.request(context, assignment_of(place, under_way + trial)) for trial in range(over)]
        helper.end_jobs([job.id for job in helper.create_jobs(requests)])
        # or they would count as changed just now, for as long as all rests
        time.sleep(2 * OVERLAP.total_seconds())
        evaluator = BalsamEvaluator(context, place)
        for trial in range(under_way):
            evaluator.start(assignment_of(place, trial))
        jobs: dict[int, int] = {}
        while len(jobs) < under_way:
            time.sleep(0.5)
            ready = helper.jobs(place.tags_of_trials(), states=[JobState.PREPROCESSED])
            jobs = {key_of(job)[0]: job.id for job in ready}
        helper.update_in_parts(jobs.values(), state=JobState.RUNNING)
        search = Polled(evaluator, client, jobs, over)
        yield search
        helper.end_jobs(jobs.values())
        search.join()
        evaluator.close()


def watch(searches: list[Polled], seconds: float, reporter: BalsamClient | None) -> list[tuple[str, ...]]:
    """Return what the evaluators ask in so many seconds, in which jobs report where there is somebody to tell it."""
    began = time.perf_counter()
    number = 0
    while (left := began + seconds - time.perf_counter()) > 0:
        time.sleep(min(left, SECONDS_BETWEEN))
        if reporter is not None:
            for search in searches:
                search.report(reporter, number)
        number += 1
    return [search.row(began, began + seconds) for search in searches]


def main() -> None:
    """Measure and print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else ALL_SECONDS
    with balsam_folder() as installation, ExitStack() as stack:
        searches = []
        for under_way, over in SEARCHES:
            tell(f"making {under_way + over} jobs")
            searches.append(stack.enter_context(polled(installation, under_way, over)))
        tell("waiting until the evaluators ask as seldom as they do")
        time.sleep(4 * LONGEST_WAIT)
        tell(f"{seconds:.0f} s at rest")
        at_rest = watch(searches, seconds, None)
        tell(f"{seconds:.0f} s with reports")
        reporter = stack.enter_context(BalsamClient.of(installation))
        reporting = watch(searches, seconds, reporter)
        tell("ending all jobs")
    table = Table(title=f"the evaluator's questions; {describe_machine()}", box=None)
    table.add_column("jobs under way")
    for column in (
        "requests\na minute",
        "MiB\na minute",
        "largest\nanswer, MiB",
        "time\nasking",
        "a report is\nheard after, s",
    ):
        table.add_column(column, justify="right")
    for title, rows in (("nothing happens", at_rest), ("a report a second", reporting)):
        table.add_row(title)
        for name, *figures in rows:
            table.add_row(f"  {name}", *figures)
    Console(width=118).print(table)


if __name__ == "__main__":
    main()
