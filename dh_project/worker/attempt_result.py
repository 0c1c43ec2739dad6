"""How a call of the run function ended: from what it returned, or from the error that it raised."""

from __future__ import annotations

import errno
import math
import traceback
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.trial.reporting import record
from dh_project.trial.trial import Cause, State

AttemptResult = dict[str, Any]
"""The state, objective, reason and cause of an attempt, as they travel."""

FAULTS_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS}
"""A full, broken or vanished disk: another attempt may end well."""

OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError"}
"""Python's and NumPy's error, and torch's, which is not imported to be known."""


def without_objective(state: State, reason: str, cause: Cause | None = None) -> AttemptResult:
    """Return an outcome that has no objective."""
    return {"state": state, "objective": None, "reason": one_line(reason), "cause": cause}


def failure(cause: Cause, reason: str) -> AttemptResult:
    """Return the outcome of a failed attempt."""
    return without_objective(State.FAILED, reason, cause)


def result_of_value(returned: Any) -> AttemptResult:
    """Turn what a run function returned into an outcome.

    A number is the objective. As in today's DeepHyper, ``{"objective": …, "metadata": {…}}`` gives facts beside
    it, and a string that begins with ``F`` is a failure with that reason.
    """
    if isinstance(returned, dict) and "objective" in returned:
        record(**(returned.get("metadata") or {}))
        returned = returned["objective"]
    if isinstance(returned, str) and returned.startswith("F"):
        said = returned.removeprefix("F").removeprefix("_")
        return failure(Cause.SAID, said or "the run function says so")
    try:
        if isinstance(returned, str | bytes | bool):
            raise TypeError
        objective = float(returned)
    except (TypeError, ValueError):
        return failure(Cause.NO_NUMBER, f"returned a {type(returned).__name__} where a number belongs")
    if not math.isfinite(objective):
        return failure(Cause.NOT_FINITE, f"the objective is {objective}")
    return {"state": State.DONE, "objective": objective, "reason": None, "cause": None}


def result_of_error(error: BaseException) -> AttemptResult:
    """Turn what ended a run function into an outcome."""
    if isinstance(error, SystemExit):
        return failure(Cause.EXIT, f"sys.exit({error.code!r}) before it returned")
    reason = str(error) if isinstance(error, UserError) else _described(error)
    if OUT_OF_MEMORY & {kind.__name__ for kind in type(error).__mro__}:
        return without_objective(State.MEMORY, reason)
    if any(isinstance(e, OSError) and e.errno in FAULTS_OF_THE_MACHINE for e in _chain(error)):
        return without_objective(State.LOST, f"a fault of the machine and not of the trial: {reason}")
    return failure(Cause.EXCEPTION, reason)


def _described(error: BaseException) -> str:
    """Return an error's type, text, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it came of."""
    chain = [error]
    for link in chain:  # which grows meanwhile
        chain += [e for e in (link.__cause__, link.__context__) if e is not None and e not in chain]
    return chain
