"""JSON lines, put together from the pieces in which a pipe gives them."""

from __future__ import annotations

import json
from typing import Any


class Lines:
    """Keeps the piece of a line that is still to be completed."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """Take what was read, and return the messages that it completes."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        return [json.loads(line) for line in lines]
