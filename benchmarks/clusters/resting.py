"""The trial of these benchmarks: it sleeps, and writes its start and end, by the machine's monotonic clock."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


def rest(seconds: float, said: str) -> None:
    """Sleep, and append the times of start and end to a file."""
    began = time.monotonic()
    time.sleep(seconds)
    line = f"{began!r} {time.monotonic()!r}\n".encode()
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line)  # one call, so that lines of several processes do not mix
    os.close(file)


def run(point: dict[str, Any], seconds: float, said: str) -> float:
    """Run function of this project."""
    rest(seconds, said)
    value: float = point["dropout"]
    return value


def trials_in(said: Path) -> list[tuple[float, float]]:
    """Return the start and end of each trial, in the order of their ends."""
    lines = said.read_text().splitlines() if said.exists() else []
    return [(float(began), float(ended)) for began, ended in map(str.split, lines)]
