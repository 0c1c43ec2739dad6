"""The interface of everything that watches a search: a terminal, a notebook, a test."""

from __future__ import annotations

from dh_project.results.history import History
from dh_project.trial.trial import Trial


class Observer:
    """Base class of observers; its methods do nothing. Derive from it and override the methods that you need.

    Example:
        >>> class Names(Observer):
        ...     def ended(self, trial):
        ...         print("trial", trial.id, trial.state)
        >>> Names().ended(Trial(3, {"lr": 0.1}, "random"))
        trial 3 waiting
    """

    def note(self, text: str) -> None:
        """Receive a line for the user about the whole search."""

    def ended(self, trial: Trial) -> None:
        """Receive a trial that has ended for good."""

    def parked(self, trial: Trial) -> None:
        """Receive a trial that the stopper has parked. It may be running again by now."""

    def interrupted(self, name: str) -> None:
        """Receive the name of a signal at once, inside the signal handler, where ``print`` is not safe."""

    def turn(self, history: History, elapsed: float) -> None:
        """Receive the state of the search after each turn of its loop.

        Args:
            history: The state of the search.
            elapsed: Seconds of search time, over all sessions.
        """
