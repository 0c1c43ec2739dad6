"""The journal's records: the search loop writes them, :meth:`~dh_project.results.history.History.apply` reads them.

``at`` is in seconds of search time, over all sessions; dates stand there for people alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dh_project.results.ending import Ending
from dh_project.results.history import Identity
from dh_project.results.journal import SCHEMA, Record
from dh_project.trial.events import Ended, Reported
from dh_project.trial.trial import Point, State, Trial


def search(identity: Identity) -> Record:
    """Return a journal's first record: which search it is, and the versions that its results may depend on."""
    return {"kind": "search", "schema": SCHEMA, "identity": vars(identity), "versions": dict(_versions())}


def session(at: float, settings: Mapping[str, Any]) -> Record:
    """Return the beginning of a session: where it runs, and with what. What ran before it had been interrupted."""
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
    """Return another search's results that are learnt from: points and objectives, None where a trial failed."""
    return {"kind": "source", "path": path, "results": list(results)}


def start(at: float, trial: Trial, attempt: int) -> Record:
    """Return the start of an attempt at a trial."""
    return {
        "kind": "start",
        "at": at,
        "trial": trial.id,
        "attempt": attempt,
        "point": trial.point,
        "origin": trial.origin,
    }


def adopt(at: float, trial: Trial) -> Record:
    """Return that an attempt of an earlier session goes on in this one."""
    return {"kind": "adopt", "at": at, "trial": trial.id, "attempt": trial.attempt}


def retry(at: float, trial: Trial) -> Record:
    """Return that a trial which had ended without an objective is to be attempted again."""
    return {"kind": "retry", "at": at, "trial": trial.id}


def report(at: float, reported: Reported) -> Record:
    """Return what an attempt reported."""
    return {"kind": "report", "at": at, **asdict(reported)}


def end(at: float, ended: Ended, state: State, lost: bool) -> Record:
    """Return the end of an attempt.

    Args:
        at: Seconds of search time.
        ended: What the evaluator brought.
        state: What that makes of the trial: ``paused`` where another attempt shall follow.
        lost: Whether it counts among the losses that are retried.
    """
    return {"kind": "end", "at": at, **asdict(ended), "state": state, "lost": lost}


def alive(at: float) -> Record:
    """Return a sign of life, by which time in which nothing happens is on record."""
    return {"kind": "alive", "at": at}


def close(at: float, ending: Ending) -> Record:
    """Return the orderly end of a session."""
    return {"kind": "close", "at": at, "ending": ending.kind, "reason": ending.reason}


def _versions() -> Mapping[str, str]:
    versions = {}
    for name in ("dh_project", "deephyper", "ConfigSpace", "torch", "ray"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
