"""The history of a search: what its journal's records say, replayed.

The search loop and every reader build their knowledge through :meth:`History.apply` alone, so that a resumed
search and the one that was never interrupted know the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dh_project.errors import UserError
from dh_project.journal import SCHEMA, Record, scan
from dh_project.trial import SearchPaths, State, Trial


@dataclass(frozen=True)
class Identity:
    """What makes two runs of a command the same search.

    Attributes:
        problem: Where the problem stands.
        space: Its hyperparameters and starting points, as JSON data.
        run: Where the run function stands.
        run_kwargs: Its constant arguments.
        seed: Seed of the proposals.
        direction: Always ``maximize``.
    """

    problem: str
    space: Mapping[str, Any]
    run: str
    run_kwargs: Mapping[str, Any]
    seed: int
    direction: str = "maximize"

    def difference(self, other: Identity) -> str | None:
        """Return what differs, in words, or None where the searches are the same."""
        options = {"problem": "--problem", "run": "--run", "run_kwargs": "--run-kwargs", "seed": "--seed"}
        for name, option in options.items():
            there, here = getattr(self, name), getattr(other, name)
            if there != here:
                return f"{option} was {there!r} there and is {here!r} now"
        if self.space != other.space:
            return "the space or the starting points of the problem have changed"
        return None


@dataclass
class History:
    """What is known of a search.

    Attributes:
        identity: Which search it is; None before its first record.
        trials: All trials, by id.
        elapsed: Seconds of search time that the journal accounts for, over all sessions.
    """

    identity: Identity | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    elapsed: float = 0.0

    @classmethod
    def replay(cls, records: Iterable[Record]) -> History:
        """Build the history that records tell."""
        history = cls()
        for record in records:
            history.apply(record)
        return history

    @classmethod
    def read(cls, folder: Path) -> History:
        """Read the journal of a search's folder, which may be running.

        Raises:
            UserError: There is no journal, or it is damaged.
        """
        paths = SearchPaths(folder)
        records, _ = scan(paths.journal)
        if not records:
            raise UserError(f"{folder}: no search has been run here (no {paths.journal.name})")
        return cls.replay(records)

    def apply(self, record: Record) -> None:
        """Learn one record. Unknown kinds are passed over, for a newer writer may add some."""
        self.elapsed = max(self.elapsed, record.get("at", 0.0))
        match record["kind"]:
            case "search":
                self.identity = Identity(**record["identity"])
            case "start":
                trial = self.trials.setdefault(
                    record["trial"], Trial(record["trial"], record["point"], record["origin"])
                )
                trial.state, trial.attempt = State.RUNNING, record["attempt"]
                if trial.submitted is None:
                    trial.submitted = record["at"]
            case "report":
                self.trials[record["trial"]].reports.append((record["step"], record["objective"]))
            case "end":
                trial = self.trials[record["trial"]]
                trial.state = State(record["state"])
                trial.objective, trial.reason = record["objective"], record["reason"]
                trial.facts.update(record["facts"])
                trial.worker = record["worker"]
                trial.ended = record["at"]
                trial.losses += record.get("lost", False)

    # ---- what the loop, the searcher and the views ask

    def in_state(self, *states: State) -> list[Trial]:
        """Return the trials in any of the states, by id."""
        return [trial for trial in self.trials.values() if trial.state in states]

    @property
    def ended(self) -> list[Trial]:
        """The trials that are over for good, in the order of their ends."""
        over = [trial for trial in self.trials.values() if trial.state.has_ended]
        return sorted(over, key=lambda trial: (trial.ended or 0.0, trial.id))

    @property
    def best(self) -> Trial | None:
        """The trial with the largest objective, the earlier of equals; None while there is none."""
        with_objective = [trial for trial in self.ended if trial.objective is not None]
        return max(with_objective, key=lambda trial: trial.objective or 0.0, default=None)


def search_record(identity: Identity, versions: Mapping[str, str]) -> Record:
    """Return a journal's first record."""
    return {"kind": "search", "schema": SCHEMA, "identity": vars(identity), "versions": dict(versions)}
