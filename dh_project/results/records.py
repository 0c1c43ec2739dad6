"""The journal's records: the search loop writes them, :meth:`~dh_project.results.history.History.apply` reads them.

``at`` is in seconds of search time, summed over all sessions. Dates are for human readers; no code reads them.

An ``end`` with the state ``parked`` says that the stopper has parked the trial; its next ``start`` resumes it.

Schema 3 also has the following, which this version reads and does not write yet:

- An ``end`` with the state ``paused`` and ``"failed": true``: the attempt failed, and another one will follow.
- ``objectives`` in an ``end``: a list of all objectives. ``objective`` is still the one to maximise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dh_project.results.ending import Ending
from dh_project.results.identity import Identity
from dh_project.results.journal import SCHEMA, Record
from dh_project.trial.events import Ended, Reported
from dh_project.trial.trial import Point, State, Trial


def search(identity: Identity) -> Record:
    """Return the first record of a journal: the search's identity, and the versions of packages."""
    return {"kind": "search", "schema": SCHEMA, "identity": vars(identity), "versions": dict(_versions())}


def session(at: float, settings: Mapping[str, Any]) -> Record:
    """Return the record that begins a session, with host, process and settings.

    Trials that were running before this record have been interrupted.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "kind": "session",
        "schema": SCHEMA,
        "at": at,
        "date": began,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        **settings,
    }


def source(path: str, results: Sequence[tuple[Point, float | None]]) -> Record:
    """Return the record of another search's results for ``--warm-start``.

    Args:
        path: The results file.
        results: Points and objectives; the objective is None if the trial failed.
    """
    return {"kind": "source", "path": path, "results": list(results)}


def start(at: float, trial: Trial, attempt: int, until: int | None = None) -> Record:
    """Return the record of the start of an attempt, which parks at the step ``until``."""
    optional = {
        "until": until,
        "parent": trial.parent,
        "parent_attempt": trial.parent_attempt,
        "replicate_of": trial.replicate_of,
    }
    return {
        "kind": "start",
        "at": at,
        "trial": trial.id,
        "attempt": attempt,
        "point": trial.point,
        "origin": trial.origin,
        **{name: value for name, value in optional.items() if value is not None},
    }


def adopt(at: float, trial: Trial) -> Record:
    """Return the record that an attempt of an earlier session continues in this one."""
    return {"kind": "adopt", "at": at, "trial": trial.id, "attempt": trial.attempt}


def retry(at: float, trial: Trial) -> Record:
    """Return the record that a trial which ended without an objective will be attempted again."""
    return {"kind": "retry", "at": at, "trial": trial.id}


def report(at: float, reported: Reported) -> Record:
    """Return the record of an intermediate objective."""
    return {"kind": "report", "at": at, **asdict(reported)}


def end(at: float, ended: Ended, state: State, lost: bool, step: int | None = None) -> Record:
    """Return the record of the end of an attempt.

    Args:
        at: Seconds of search time.
        ended: The evaluator's event.
        state: State of the trial after it; ``paused`` if another attempt will follow.
        lost: Whether the attempt counts as a loss, of which only some are retried.
        step: Last step that a parked trial has reported.
    """
    parked = {"step": step} if state is State.PARKED else {}
    return {"kind": "end", "at": at, **asdict(ended), "state": state, "lost": lost, **parked}


def alive(at: float) -> Record:
    """Return a record that only notes the time, so that idle time counts as search time."""
    return {"kind": "alive", "at": at}


def close(at: float, ending: Ending) -> Record:
    """Return the record of the orderly end of a session."""
    return {"kind": "close", "at": at, "ending": ending.kind, "reason": ending.reason}


def _versions() -> Mapping[str, str]:
    versions = {}
    for name in ("dh_project", "deephyper", "ConfigSpace", "torch", "ray"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
