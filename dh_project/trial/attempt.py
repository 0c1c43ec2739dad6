"""What travels to a worker: the setting of all its trials, and one attempt at a trial at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LOG, RESULT = "log.txt", "result.json"
"""What the worker itself writes into an attempt's folder."""


@dataclass(frozen=True)
class RunContext:
    """What all trials of a worker share.

    Attributes:
        run: Where the run function stands.
        run_kwargs: Its constant arguments.
        directory: Working directory of the trials, the driver's own.
        search_path: Folders for ``sys.path`` that the driver has.
        preload: Whether to import the run function before forking.
        scratch: Each node's own place for what trials write meanwhile, absolute; empty where there is none.
    """

    run: str
    run_kwargs: dict[str, Any]
    directory: str
    search_path: list[str] = field(default_factory=list)
    preload: bool = True
    scratch: str = ""


@dataclass(frozen=True)
class Assignment:
    """One attempt at a trial, as it travels to a worker.

    Attributes:
        trial: The trial's id.
        attempt: From 1.
        point: The hyperparameters.
        folder: This attempt's own folder.
        previous_folders: Those of the interrupted attempts before it that left something, the latest first.
        time_limit: Seconds after which it is killed, or None.
        memory_limit: Bytes that it and its children may hold together before they are killed, or None.
        rank: Which of the attempt's processes this one is, from 0; only the first one's reports and facts are heard.
        world_size: How many processes the attempt has.
        scratch: Where it writes meanwhile, as its worker says; empty for its own folder.
    """

    trial: int
    attempt: int
    point: dict[str, Any]
    folder: str
    previous_folders: list[str] = field(default_factory=list)
    time_limit: float | None = None
    memory_limit: int | None = None
    rank: int = 0
    world_size: int = 1
    scratch: str = ""

    @property
    def writes_in(self) -> str:
        """The folder that the attempt sees as its own."""
        return self.scratch or self.folder
