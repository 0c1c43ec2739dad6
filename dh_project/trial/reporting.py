"""What a running trial may say and ask: ``report``, ``record``, ``trial_folder`` and ``scratch_folder``.

Inside a search, the worker connects this module to itself before it calls the run function. Outside of one
(``run({...})`` in a notebook) every call works and does nothing, so a run function needs no second form.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dh_project.trial.scratch import VARIABLE, own_folder

Answer = bool
"""Whether the trial shall go on."""


class Connection:
    """The way from a running trial to its worker; this one, outside a search, leads nowhere.

    Attributes:
        folder: Where the attempt writes.
        home: Its folder in the search's, where all of that is brought; the same one but with ``--scratch``.
        predecessors: Those of the attempts before it.
    """

    folder: Path | None = None
    home: Path | None = None
    predecessors: Sequence[Path] = ()

    def report(self, step: int, objective: float) -> Answer:
        """Carry one intermediate objective; the answer says whether to go on."""
        return True

    def record(self, facts: dict[str, Any]) -> None:
        """Carry named facts for the trial's row."""


_connection = Connection()


def connect(connection: Connection) -> None:
    """Let this process speak for the trial behind ``connection`` (the worker calls this)."""
    global _connection
    _connection = connection


def report(step: int, objective: float) -> Answer:
    """Report an intermediate objective.

    Args:
        step: How far the trial is, in whole steps of its own choice (CGCNN: epochs, from 1).
        objective: The objective at this step; larger is better.

    Returns:
        True to go on, False to end now: save what there is and return.
    """
    return _connection.report(int(step), float(objective))


def record(**facts: Any) -> None:
    """Record named facts of this trial (``test_mae=0.05``); each becomes a column ``m:test_mae`` of its row.

    Args:
        **facts: Numbers, strings, booleans or None. A later value of a name replaces the earlier one.
    """
    _connection.record(facts)


def trial_folder() -> Path | None:
    """Return the folder of this attempt at the trial, or None outside a search."""
    return _connection.folder


def home_folder() -> Path | None:
    """Return the folder of this attempt in the search's folder, which every node sees; None outside a search.

    It is the same as :func:`trial_folder` but with ``--scratch``, where what is in that one is brought here.
    """
    return _connection.home


def scratch_folder() -> Path | None:
    """Return a folder that all trials of yours on this node share, in its scratch; None where it has none.

    For what is copied or made once a node. Files stay there until the node's job ends, or somebody cleans up.
    """
    scratch = os.environ.get(VARIABLE)
    if not scratch:
        return None
    try:
        folder = own_folder(Path(scratch)) / "shared"
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return folder


def previous_folder(holding: str | None = None) -> Path | None:
    """Return the folder of the last attempt that was interrupted before this one, where a checkpoint may lie.

    Args:
        holding: Name of a file: the last one that has it, for an attempt may end before it leaves one.
    """
    folders = _connection.predecessors
    return next((folder for folder in folders if holding is None or (folder / holding).exists()), None)
