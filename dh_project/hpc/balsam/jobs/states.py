"""What a Balsam job's state says of a trial, where its worker has said nothing: one table."""

from __future__ import annotations

from typing import NamedTuple

from dh_project.hpc.balsam.client.models import JobState
from dh_project.trial.trial import State


class Reading(NamedTuple):
    """What a state says.

    Attributes:
        state: The trial's state.
        reason: Why it ended, in plain words; empty while it has not.
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
"""A trial's own end comes from its worker; a job that is over without one has lost it."""

WAITING = [state for state, reading in READINGS.items() if reading.state is State.WAITING]
"""Of jobs that may be withdrawn; one that has run holds its trial's end."""
