"""The tags by which this package's jobs are found on a server, and the names of its apps."""

from __future__ import annotations

WORKFLOW = "workflow"
"""The search's name, on all of its jobs; a batch job's launcher runs the jobs that carry it."""

KIND = "kind"
"""``search`` for a driver, ``trial`` for a trial's attempt; each is run by the app of that name."""

SEARCH, TRIAL = "search", "trial"

NUMBER, ATTEMPT = "number", "attempt"
"""Which trial, and which attempt at it."""

RUN = "run"
"""Tells the jobs of one search's folder from those of another of the same name."""

USER, NAME = "user", "name"
"""Who submitted it, and what it is called in lists."""

RETRY = "retry"
"""On a trial's job: the user wants another attempt."""
