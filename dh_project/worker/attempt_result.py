"""The result of an attempt, from the value that the run function returned or the error that it raised."""

from __future__ import annotations

import errno
import math
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.trial.attempt import LOG
from dh_project.trial.reporting import record
from dh_project.trial.trial import Cause, State

AttemptResult = dict[str, Any]
"""State, objective, reason and cause of an attempt, as they are sent to the driver."""

FAULTS_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS}
"""Errors of a full, broken or vanished disk. The trial is lost, because another attempt may succeed."""

LONGEST_REASON = 2000
"""Most characters of a reason."""

OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError"}
"""Names of the errors of Python, NumPy and torch. Names, because torch takes seconds to import."""


def without_objective(state: State, reason: str, cause: Cause | None = None) -> AttemptResult:
    """Return the result of an attempt that has no objective."""
    shown = one_line(reason[: 2 * LONGEST_REASON])  # an error may quote all of its data
    if len(shown) > LONGEST_REASON:
        shown = f"{shown[:LONGEST_REASON]} … (cut; all of it is in {LOG})"
    return {"state": state, "objective": None, "reason": shown, "cause": cause}


def failure(cause: Cause, reason: str) -> AttemptResult:
    """Return the result of a failed attempt."""
    return without_objective(State.FAILED, reason, cause)


def result_of_value(returned: Any) -> AttemptResult:
    """Return the result of an attempt from the value that its run function returned.

    A number is the objective. As in DeepHyper, ``{"objective": …, "metadata": {…}}`` adds facts, and a string that
    begins with ``F`` is a failure with that reason.

    Example:
        >>> from dh_project.worker.attempt_result import result_of_value
        >>> result_of_value(0.5)["objective"]
        0.5
        >>> result_of_value("F_diverged")["reason"]
        'diverged'
    """
    if isinstance(returned, dict) and "objective" in returned:
        _record_metadata(returned.get("metadata"))
        returned = returned["objective"]
    if isinstance(returned, str) and returned.startswith("F"):
        said = returned.removeprefix("F").removeprefix("_")
        return failure(Cause.SAID, said or "the run function says so")
    try:
        if isinstance(returned, str | bytes | bool):
            raise TypeError
        objective = float(returned)
    except OverflowError:  # an integer beyond all floats
        return failure(Cause.NOT_FINITE, "the objective is too large for a float")
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        return failure(Cause.NO_NUMBER, f"returned a {type(returned).__name__} instead of a number")
    if not math.isfinite(objective):
        return failure(Cause.NOT_FINITE, f"the objective is {objective}")
    return {"state": State.DONE, "objective": objective, "reason": None, "cause": None}


def _record_metadata(metadata: Any) -> None:
    """Record the metadata that a run function returned; its keys need not be strings."""
    if isinstance(metadata, Mapping):
        record(**{one_line(name): value for name, value in metadata.items()})
    elif metadata is not None:
        record(metadata=metadata)


def result_of_error(error: BaseException) -> AttemptResult:
    """Return the result of an attempt from the error that ended its run function."""
    if isinstance(error, SystemExit):
        return failure(Cause.EXIT, f"sys.exit({error.code!r}) before it returned")
    reason = str(error) if isinstance(error, UserError) else _described(error)
    if OUT_OF_MEMORY & {kind.__name__ for kind in type(error).__mro__}:
        return without_objective(State.MEMORY, reason)
    if any(isinstance(e, OSError) and e.errno in FAULTS_OF_THE_MACHINE for e in _chain(error)):
        return without_objective(State.LOST, f"a fault of the machine and not of the trial: {reason}")
    return failure(Cause.EXCEPTION, reason)


def _described(error: BaseException) -> str:
    """Return the type and text of an error, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    line = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{line}"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and all errors that led to it."""
    chain = [error]
    for link in chain:  # it grows in the loop
        chain += [e for e in (link.__cause__, link.__context__) if e is not None and e not in chain]
    return chain
