"""Functions for a running trial: ``report``, ``record``, ``trial_folder``, ``trial_seed`` and ``scratch_folder``.

In a search, the worker connects this module to itself before it calls the run function. Outside a search
(``run({...})`` in a notebook) every call works and does nothing, so the same run function can be used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dh_project.trial.scratch import VARIABLE, own_folder

Answer = bool
"""Whether the trial is to go on."""


class Connection:
    """Connection of a running trial to its worker. This base class is used outside a search and sends nothing.

    Attributes:
        folder: Folder to which the attempt writes.
        home: Folder of the attempt below the search's folder. It differs from ``folder`` only with ``--scratch``: the
            worker copies the files from ``folder`` to ``home``.
        predecessors: Folders of the attempts before this one.
        point: The hyperparameters of the trial; empty outside a search.
        seed: Seed of the trial; None outside a search.
    """

    folder: Path | None = None
    home: Path | None = None
    predecessors: Sequence[Path] = ()
    point: Mapping[str, Any] = MappingProxyType({})
    seed: int | None = None

    def report(self, step: int, objective: float, of: int | None = None) -> Answer:
        """Send one intermediate objective, and return whether to go on."""
        return True

    def record(self, facts: dict[str, Any]) -> None:
        """Send named facts for the trial's row."""

    def resumes_from(self, name: str) -> None:
        """Tell the name of the file from which the trial resumes, its checkpoint."""


_connection = Connection()


def connect(connection: Connection) -> None:
    """Use a connection for all calls of this process. The worker calls this."""
    global _connection
    _connection = connection


def report(step: int, objective: float, of: int | None = None) -> Answer:
    """Report an intermediate objective.

    Args:
        step: Progress of the trial in whole steps of its own choice (CGCNN: epochs, from 1).
        objective: The objective at this step; larger is better.
        of: The last step of this training, if it is known. At this step a trial ends and is not parked.

    Returns:
        True to go on. False to end now: save a checkpoint and return.

    Example::

        def run(point):
            for epoch in range(1, 101):
                error = train_one_epoch(point)
                if not report(epoch, -error, of=100):
                    break
            return -error
    """
    return _connection.report(int(step), float(objective), None if of is None else int(of))


def record(**facts: Any) -> None:
    """Record named facts of this trial: each ``name`` becomes a column ``m:name`` of its row.

    Args:
        **facts: Numbers, strings, booleans or None. A later value of a name replaces the earlier one. A trial records
            at most 1,000 values and 2 MiB; write larger things to a file in :func:`trial_folder`.

    Example:
        >>> from dh_project import record
        >>> record(test_mae=0.05, converged=True)
    """
    _connection.record(facts)


def trial_folder() -> Path | None:
    """Return the folder of this attempt at the trial, or None outside a search."""
    return _connection.folder


def trial_seed() -> int | None:
    """Return a seed for generators of this trial, below 2**32; None outside a search.

    It depends on the seed of the search and the number of the trial. All attempts and all ranks of a trial have the
    same one. The global generators of Python, NumPy and torch are seeded already; each rank has numbers of its own.

    Example::

        rng = np.random.default_rng(dh.trial_seed())
        key = jax.random.key(dh.trial_seed() or 0)
    """
    return _connection.seed


def trial_point() -> Mapping[str, Any]:
    """Return the hyperparameters of this trial; none outside a search."""
    return _connection.point


def home_folder() -> Path | None:
    """Return the folder of this attempt below the search's folder, which every node sees; None outside a search.

    With ``--scratch``, the attempt writes to :func:`trial_folder` on its node, and the worker copies the files here.
    Without, both are the same.
    """
    return _connection.home


def scratch_folder() -> Path | None:
    """Return a folder in this node's scratch that all of your trials on the node share; None if there is no scratch.

    Use it for files that are copied or computed once per node. They stay until the node's job ends or somebody
    cleans up.
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
    """Return the folder of the last interrupted attempt at this trial, which may have a checkpoint; None if none is.

    Args:
        holding: Name of the checkpoint. Attempts without this file are skipped, because an attempt may be interrupted
            before it writes its first one. Of a trial that is parked and resumed, only the newest file of this name
            is kept.
    """
    if holding is not None:
        _connection.resumes_from(holding)
    folders = _connection.predecessors
    return next((folder for folder in folders if holding is None or (folder / holding).exists()), None)
