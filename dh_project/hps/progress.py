"""Shows the progress of a search: a live line on a terminal or in a notebook, otherwise one line per trial."""

from __future__ import annotations

import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dh_project.common.console import tell
from dh_project.hps.limits import Limits
from dh_project.hps.observer import Observer
from dh_project.results.history import History
from dh_project.trial.trial import Trial

NOTEBOOK_SECONDS = 0.5
"""Least seconds between two updates of a notebook's line."""


@contextmanager
def progress(limits: Limits, is_of_ranks: bool = False) -> Iterator[Observer]:
    """Yield the observer that suits standard output.

    Args:
        limits: Limits of the search.
        is_of_ranks: Whether this process is a rank of an MPI job. Some launchers give ranks a terminal although the
            output goes to a file.
    """
    if is_in_notebook():
        line = NotebookLine(limits)
        try:
            yield line
        finally:
            line.show()
        return
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


def is_in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def ask_for_no_widgets() -> None:
    """Keep tqdm and Ray from asking a notebook's user for widgets that a search does not use."""
    if is_in_notebook():
        warnings.filterwarnings("ignore", message="IProgress not found")
        logging.getLogger("ray.widgets").setLevel(logging.WARNING)


class Lines(Observer):
    """Prints one line per trial. The search continues if standard output is closed (``| head``)."""

    def note(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def ended(self, trial: Trial) -> None:
        """Print how the trial ended."""
        said = f"{trial.objective:.6g}" if trial.objective is not None else trial.reason
        seconds = (trial.ended or 0.0) - (trial.submitted or 0.0)
        tell(f"trial {trial.id:4d}  {trial.state:<9}  {seconds:8.1f} s  {said}")


class Counts(Observer):
    """Counts trials for a live line: done, running and failed ones, the best one, and the time left.

    Args:
        limits: Limits of the search.
    """

    def __init__(self, limits: Limits) -> None:
        self.total, self._limits = limits.max_evals, limits
        self.done = self._failed = 0
        self.text = self.left = ""

    def note(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def turn(self, history: History, elapsed: float) -> None:
        """Update the counts and show them."""
        ended, best = history.ended, history.best
        self._failed += sum(trial.objective is None for trial in ended[self.done :])
        self.done = len(ended)
        said = f"best {best.objective:.6g} (trial {best.id})" if best else "no objective yet"
        self.text = f"running {len(history.running)}  failed {self._failed}  {said}"
        left = time_left(self.done, elapsed, self._limits)
        self.left = f"left {left:.0f} s" if left is not None else ""
        self.update()

    def update(self) -> None:
        """Show the counts."""


class LiveLine(Counts):
    """A progress bar on a terminal, redrawn after each turn of the search loop."""

    def __init__(self, bar: Progress, limits: Limits) -> None:
        super().__init__(limits)
        self._bar = bar
        self._task = bar.add_task("", total=limits.max_evals, left="")

    def update(self) -> None:
        """Redraw the bar."""
        self._bar.update(self._task, completed=self.done, description=self.text, left=self.left)


class NotebookLine(Counts):
    """A line below a notebook's cell, replaced while the search runs."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        from IPython.display import display

        self._handle: Any = display(self._shown(), display_id=True)
        self._due = 0.0

    def update(self) -> None:
        """Replace the line if the last update is long enough ago."""
        if time.monotonic() >= self._due:
            self.show()

    def show(self) -> None:
        """Replace the line."""
        self._handle.update(self._shown())
        self._due = time.monotonic() + NOTEBOOK_SECONDS

    def _shown(self) -> Any:
        from IPython.display import Pretty

        of = f"{self.done} of {self.total}" if self.total is not None else str(self.done)
        return Pretty("  ".join(filter(None, (f"{of} trials ended", self.text, self.left))))


def time_left(done: int, elapsed: float, limits: Limits) -> float | None:
    """Return the estimated seconds until a limit is reached; None if there is no limit or no trial has ended."""
    estimates = [limits.seconds_left(elapsed, time.monotonic())]
    if limits.max_evals is not None and done:
        estimates.append(elapsed / done * (limits.max_evals - done))
    least = min(estimates)
    return max(0.0, least) if least < math.inf else None
