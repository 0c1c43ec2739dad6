"""The state of a trial as derived from the state of its Balsam job, if its worker has not reported an end."""

from __future__ import annotations

from typing import NamedTuple

from dh_project.hpc.balsam.client.models import JobState
from dh_project.trial.trial import State


class Reading(NamedTuple):
    """The meaning of a job's state.

    Attributes:
        state: The trial's state.
        reason: Why the trial ended; empty if it has not.
    """

    state: State
    reason: str = ""


READINGS = {
    JobState.CREATED: Reading(State.WAITING),
    JobState.AWAITING_PARENTS: Reading(State.WAITING),
    JobState.READY: Reading(State.WAITING),
    JobState.STAGED_IN: Reading(State.WAITING),
    JobState.PREPROCESSED: Reading(State.WAITING),
    JobState.RUNNING: Reading(State.RUNNING),
    JobState.RUN_DONE: Reading(State.LOST, "its job ended without a result"),
    JobState.POSTPROCESSED: Reading(State.LOST, "its job ended without a result"),
    JobState.STAGED_OUT: Reading(State.LOST, "its job ended without a result"),
    JobState.JOB_FINISHED: Reading(State.LOST, "its job ended without a result"),
    JobState.RUN_ERROR: Reading(State.LOST, "its job was killed before it could say why"),
    JobState.FAILED: Reading(State.LOST, "its job was killed before it could say why"),
    JobState.RUN_TIMEOUT: Reading(State.LOST, "its launcher ended or died"),
    JobState.RESTART_READY: Reading(State.LOST, "its launcher ended or died"),
}
"""The meaning of each state. The end of a trial comes from its worker; a job that ends without one is lost."""

WAITING = [state for state, reading in READINGS.items() if reading.state is State.WAITING]
"""States of jobs that can be withdrawn; a job that has run holds the end of its trial."""
