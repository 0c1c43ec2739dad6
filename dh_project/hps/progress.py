"""Shows the progress of a search: a live line on a terminal or in a notebook, otherwise one line per trial."""

from __future__ import annotations

import logging
import math
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from dh_project.common.console import WIDTH_OF_FILES, tell
from dh_project.common.errors import one_line
from dh_project.hps.limits import Limits
from dh_project.hps.observer import Observer
from dh_project.results.history import History
from dh_project.trial.trial import State, Trial

NOTEBOOK_SECONDS = 0.5
"""Least seconds between two updates of a notebook's line."""

ANSWER = "the search ends in order, and the same command continues it; a second signal ends it at once"
STANDARD_OUTPUT = 1

BAR, WIDE = 20, 110
"""Characters of the progress bar, and of a terminal that has room for it."""

MOST_REASONS = 10
"""Number of different reasons of failures that a live line tells."""


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
    console = Console(file=sys.stdout)
    bar = [BarColumn(BAR)] if console.width >= WIDE else []
    with Progress(*bar, TextColumn("{task.description}", markup=False), console=console) as live:
        yield LiveLine(live, limits)


def is_in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def ask_for_no_widgets() -> None:
    """Keep tqdm and Ray from asking a notebook's user for widgets that a search does not use."""
    if is_in_notebook():
        warnings.filterwarnings("ignore", message="IProgress not found")
        logging.getLogger("ray.widgets").setLevel(logging.WARNING)


class Answering(Observer):
    """Answers a signal at once, although the search may wait for its trials first."""

    def interrupted(self, name: str) -> None:
        """Print what happens now, without ``print``, which the signal may have interrupted."""
        with suppress(OSError):
            os.write(STANDARD_OUTPUT, f"\n{name}: {ANSWER}\n".encode())


class Lines(Answering):
    """Prints one line per trial. The search continues if standard output is closed (``| head``)."""

    def note(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def ended(self, trial: Trial) -> None:
        """Print how the trial ended."""
        said = f"{trial.objective:.6g}" if trial.objective is not None else trial.reason
        self._tell(trial, trial.state, said)

    def parked(self, trial: Trial) -> None:
        """Print at which step the trial was parked."""
        self._tell(trial, State.PARKED, f"{trial.objective:.6g} at step {trial.parked_at}")

    def _tell(self, trial: Trial, state: State, said: str | None) -> None:
        seconds = (trial.ended or 0.0) - (trial.submitted or 0.0)
        tell(f"trial {trial.id:4d}  {state:<9}  {seconds:8.1f} s  {said}")


class Counts(Answering):
    """Counts trials for a live line: done, running and failed ones, the best one, and the time left.

    Args:
        limits: Limits of the search.
    """

    def __init__(self, limits: Limits) -> None:
        self.total, self._limits = limits.max_trials, limits
        self.done = self._failed = 0
        self._best = self._running = self._left = self._elapsed = ""
        self._told: set[str] = set()

    def note(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def ended(self, trial: Trial) -> None:
        """Print why a trial failed, once for each reason."""
        kind = re.sub(r"[0-9]+", "", trial.reason or "")
        if trial.objective is None and kind not in self._told and len(self._told) < MOST_REASONS:
            self._told.add(kind)
            tell(f"trial {trial.id} {trial.state}: {one_line(trial.reason or 'no reason is known')}")

    def turn(self, history: History, elapsed: float) -> None:
        """Update the counts and show them."""
        ended, best = history.ended, history.best
        self._failed += sum(trial.objective is None for trial in ended[self.done :])
        self.done = len(ended)
        said = history.replicates_of(best).in_words() if best else ""
        self._best = f"best {said} (trial {best.id})" if best else "no objective yet"
        self._running = f"running {len(history.running)}"
        left = time_left(self.done, elapsed, self._limits)
        self._left = f"{in_words(left)} left" if left is not None else ""
        self._elapsed = f"after {in_words(elapsed)}"
        self.update()

    def line(self, width: int) -> str:
        """Return the counts in at most so many characters; what matters least is left out first."""
        of = f"{self.done} of {self.total}" if self.total is not None else str(self.done)
        parts = [f"{of} trials ended", self._running, f"failed {self._failed}", self._best]
        parts = [part for part in [*parts, self._left, self._elapsed] if part]
        short = [of, *parts[1:]]
        for shown in (parts, *(short[:count] for count in range(len(short), 0, -1))):
            if len(text := "  ".join(shown)) <= width:
                return text
        return of

    def update(self) -> None:
        """Show the counts."""


class LiveLine(Counts):
    """A line on a terminal, redrawn after each turn of the search loop."""

    def __init__(self, line: Progress, limits: Limits) -> None:
        super().__init__(limits)
        self._line = line
        self._task = line.add_task("", total=limits.max_trials)

    def update(self) -> None:
        """Redraw the line in the width of the terminal."""
        width = self._line.console.width - 1 - (BAR + 1 if len(self._line.columns) > 1 else 0)
        self._line.update(self._task, completed=self.done, description=self.line(width))


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

        return Pretty(self.line(WIDTH_OF_FILES))


def in_words(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> [in_words(seconds) for seconds in (5.2, 125, 7260, 180000)]
    ['5 s', '2 min 5 s', '2 h 1 min', '2 d 2 h']
    """
    parts: list[str] = []
    rest = round(seconds)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ") or len(parts) == 1)


def time_left(done: int, elapsed: float, limits: Limits) -> float | None:
    """Return the estimated seconds until a limit is reached; None if there is no limit or no trial has ended."""
    estimates = [limits.seconds_left(elapsed, time.monotonic())]
    if limits.max_trials is not None and done:
        estimates.append(elapsed / done * (limits.max_trials - done))
    least = min(estimates)
    return max(0.0, least) if least < math.inf else None
