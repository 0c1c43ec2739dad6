"""Messages to a worker: what all of its trials share, and one attempt at a trial at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dh_project.trial.criterion import Criterion

LOG, RESULT = "log.txt", "dh-result.json"
"""Files that the worker writes into the folder of an attempt."""

OLD_RESULT = "result.json"
"""Name of the result file in searches of earlier versions. A run function may write a file of this name."""


@dataclass(frozen=True)
class RunContext:
    """The run function, and the surroundings that all trials of a search share.

    Attributes:
        run: Name or path of the run function: ``package.module.run`` or ``path/to/file.py``.
        run_kwargs: Its constant arguments.
        directory: Working directory of the trials, the same as the driver's.
        search_path: Folders of the driver's ``sys.path``.
        preload: Whether the worker imports the run function before it forks trials.
        scratch: Absolute path of node-local storage for files that trials write. Empty if there is none.
        folder: Absolute path of the search's folder, in which workers note what identifies their processes. Empty if
            they are not to.
        seed: Seed of the search, from which the random numbers of the trials come.

    Example:
        >>> import sys
        >>> from dh_project.trial.attempt import RunContext
        >>> RunContext("my_run.run", {"epochs": 10}, directory=".", search_path=sys.path).run_kwargs
        {'epochs': 10}
    """

    run: str
    run_kwargs: dict[str, Any]
    directory: str
    search_path: list[str] = field(default_factory=list)
    preload: bool = True
    scratch: str = ""
    folder: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Assignment:
    """One attempt at a trial, as it is sent to a worker.

    Attributes:
        trial: Id of the trial.
        attempt: Number of the attempt, from 1.
        point: The hyperparameters.
        folder: Folder of this attempt.
        previous_folders: Folders of earlier attempts that left files, the latest first; then those of the parent.
        until: Step at which the attempt parks: its report of this step, or of the first later one, is answered with
            False. None lets it run to its end.
        criteria: Conditions that end the attempt: the first report that meets one of them is answered with False. The
            trial is done when it returns its objective.
        time_limit: Seconds after which the attempt is killed, or None.
        memory_limit: Bytes that its processes may hold together before they are killed, or None.
        keeps_checkpoints: Whether the checkpoints of earlier attempts stay. If not, those from which this attempt
            resumed are removed when it has left newer ones.
        rank: Number of this process among those of the attempt, from 0. Only reports and facts of rank 0 count.
        world_size: Number of processes of the attempt.
        replicate: Number of earlier trials of the same point, which is added to the argument ``seed`` of the run
            function.
        scratch: Node-local folder to which the attempt writes until its worker copies the files. Empty if the attempt
            writes to ``folder``.
    """

    trial: int
    attempt: int
    point: dict[str, Any]
    folder: str
    previous_folders: list[str] = field(default_factory=list)
    until: int | None = None
    criteria: list[Criterion] = field(default_factory=list)
    keeps_checkpoints: bool = True
    time_limit: float | None = None
    memory_limit: int | None = None
    rank: int = 0
    world_size: int = 1
    replicate: int = 0
    scratch: str = ""

    def __post_init__(self) -> None:
        """Restore the criteria of an assignment that came as JSON."""
        object.__setattr__(self, "criteria", [Criterion(*each) for each in self.criteria])

    @property
    def writes_in(self) -> str:
        """Folder that ``trial_folder()`` returns in the attempt."""
        return self.scratch or self.folder
