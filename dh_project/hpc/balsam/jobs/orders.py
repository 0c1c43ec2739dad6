"""Orders to a running job: JSON lines in its folder, which its driver or the user appends and its worker reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dh_project.common.json_lines import Lines
from dh_project.trial.trial import State

ORDERS = "orders.jsonl"
"""Name of the file in a job's folder."""


def stop_order(after: int) -> dict[str, Any]:
    """Return the order to stop the trial at its next report above a step."""
    return {"do": "stop", "after": after}


def kill_order(state: State, reason: str, patience: float = 0.0) -> dict[str, Any]:
    """Return the order to end in a state, within ``patience`` seconds."""
    return {"do": "kill", "state": str(state), "reason": reason, "patience": patience}


def give_order(folder: Path, order: dict[str, Any]) -> None:
    """Append an order in one write. If the job has not started yet, its folder is made.

    Raises:
        OSError: The order cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ORDERS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(order) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Orders:
    """Reads the orders in a folder, each once.

    Args:
        folder: The job's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._read, self._lines = folder / ORDERS, 0, Lines()

    def new(self) -> list[dict[str, Any]]:
        """Return the orders since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                chunk = file.read()
        except OSError:  # no orders yet, or the file system is away: the next call reads them
            return []
        self._read += len(chunk)
        return self._lines.feed(chunk)
