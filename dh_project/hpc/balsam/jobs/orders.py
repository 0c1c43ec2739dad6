"""Orders to a running job: JSON lines in its folder, which its driver or the user appends and its worker reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dh_project.common.json_lines import Tail, append_line, decode_line
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
    """Append an order. If the job has not started yet, its folder is made.

    Raises:
        OSError: The order cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    append_line(folder / ORDERS, json.dumps(order))


class Orders(Tail[dict[str, Any]]):
    """Reads the orders in a folder, each once.

    Args:
        folder: The job's folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ORDERS, decode_line)
