"""Who is shown what happens in a search: a terminal, a notebook, a test."""

from __future__ import annotations

from dh_project.results.history import History
from dh_project.trial.trial import Trial


class Observer:
    """Is shown what happens in a search; this one shows nothing. Derive from it and override what you need.

    Example:
        >>> class Names(Observer):
        ...     def ended(self, trial):
        ...         print("trial", trial.id, trial.state)
    """

    def note(self, text: str) -> None:
        """Tell the user a line that concerns the whole search."""

    def ended(self, trial: Trial) -> None:
        """See a trial that has ended for good."""

    def turn(self, history: History, elapsed: float) -> None:
        """See the state of the search after each turn of its loop.

        Args:
            history: All that the journal says.
            elapsed: Seconds of search time, over all sessions.
        """
