"""The tags on this package's Balsam jobs, and the names of its apps."""

from __future__ import annotations

WORKFLOW = "workflow"
"""Name of the search, on all of its jobs. The launcher of a batch job runs the jobs that have this tag."""

KIND = "kind"
"""``search`` for the driver, ``trial`` for an attempt at a trial; the app of that name runs the job."""

SEARCH, TRIAL = "search", "trial"

NUMBER, ATTEMPT = "number", "attempt"
"""Number of the trial and of the attempt."""

RUN = "run"
"""Random id of a search's folder; it distinguishes searches of the same name."""

USER, NAME = "user", "name"
"""The user who submitted the job, and its name in lists."""

RETRY = "retry"
"""Set on a trial's job if the user wants another attempt."""
