"""Who is shown what happens in a search: the command line's progress, a test, a notebook."""

from __future__ import annotations

from typing import Protocol

from dh_project.results.history import History
from dh_project.trial.trial import Trial


class Observer(Protocol):
    """Is shown what happens in a search."""

    def ended(self, trial: Trial) -> None:
        """See a trial that is over for good."""

    def turn(self, history: History, elapsed: float) -> None:
        """See the state of things after each turn of the loop."""
