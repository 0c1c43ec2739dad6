"""What a search shows while it runs: a live line on a terminal, one line a trial elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dh_project.common.console import tell
from dh_project.results.history import History
from dh_project.search.limits import Limits
from dh_project.search.observer import Observer
from dh_project.trial.trial import Trial


@contextmanager
def progress(limits: Limits, is_of_ranks: bool = False) -> Iterator[Observer]:
    """Yield the observer that suits where standard output goes.

    Args:
        limits: Of the search.
        is_of_ranks: Whether a launcher of ranks passes on what is printed: some show a rank a terminal where what
            comes of it goes to a file.
    """
    if is_of_ranks or sys.stdout is None or not sys.stdout.isatty():
        yield Lines()
        return
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(file=sys.stdout)) as bar:
        yield LiveLine(bar, limits)


class Lines:
    """One line a trial, as long as somebody reads them: a search goes on without (``| head``)."""

    def ended(self, trial: Trial) -> None:
        """Print how the trial ended."""
        said = f"{trial.objective:.6g}" if trial.objective is not None else trial.reason
        seconds = (trial.ended or 0.0) - (trial.submitted or 0.0)
        tell(f"trial {trial.id:4d}  {trial.state:<9}  {seconds:8.1f} s  {said}")

    def turn(self, history: History, elapsed: float) -> None:
        """Print nothing."""


class LiveLine:
    """Trials done, running and failed, the best so far, the time left."""

    def __init__(self, bar: Progress, limits: Limits) -> None:
        self._bar, self._limits = bar, limits
        self._task = bar.add_task("", total=limits.max_evals, left="")
        self._failed = self._counted = 0

    def ended(self, trial: Trial) -> None:
        """Wait for the end of the turn."""

    def turn(self, history: History, elapsed: float) -> None:
        """Redraw the line."""
        ended, running, best = history.ended, history.running, history.best
        self._failed += sum(trial.objective is None for trial in ended[self._counted :])
        self._counted = len(ended)
        said = f"best {best.objective:.6g} (trial {best.id})" if best else "no objective yet"
        text = f"running {len(running)}  failed {self._failed}  {said}"
        left = time_left(len(ended), elapsed, self._limits)
        self._bar.update(
            self._task,
            completed=len(ended),
            description=text,
            left=f"left {left:.0f} s" if left is not None else "",
        )


def time_left(done: int, elapsed: float, limits: Limits) -> float | None:
    """Estimate the seconds until a limit is reached, from the pace so far; None where nothing is known."""
    estimates = [limits.seconds_left(elapsed, time.monotonic())]
    if limits.max_evals is not None and done:
        estimates.append(elapsed / done * (limits.max_evals - done))
    least = min(estimates)
    return max(0.0, least) if least < math.inf else None
