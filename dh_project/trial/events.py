"""Events: messages of an evaluator to the search loop about running attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dh_project.common.plain import one_line
from dh_project.trial.trial import Cause, State


@dataclass(frozen=True)
class Reported:
    """A running attempt has reported an intermediate objective."""

    trial: int
    attempt: int
    step: int
    objective: float


@dataclass(frozen=True)
class Ended:
    """An attempt, or one of its processes, has ended. Its state is ``paused`` if another attempt is to follow."""

    trial: int
    attempt: int
    state: State
    objective: float | None = None
    reason: str | None = None
    cause: Cause | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    worker: str | None = None
    rank: int = 0

    def __post_init__(self) -> None:
        """Make the texts of the trial plain, so that they act neither on a terminal nor on a table."""
        if self.reason is not None:
            object.__setattr__(self, "reason", one_line(self.reason))
        facts = {one_line(name): _plain(value) for name, value in self.facts.items()}
        object.__setattr__(self, "facts", facts)

    def in_words(self) -> str:
        """Return the objective, or why there is none."""
        return f"objective {self.objective!r}" if self.objective is not None else str(self.reason)


@dataclass(frozen=True)
class Retried:
    """The user asks for another attempt at a trial that ended without an objective."""

    trial: int
    attempt: int


Event = Reported | Ended | Retried


def _plain(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value
