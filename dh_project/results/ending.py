"""Why a session of a search ended."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["complete", "timeout", "time", "signal", "losses", "failures"]


class Ending(NamedTuple):
    """Why a session ended: in one word, for a program, and in a line, for a person."""

    kind: Kind
    reason: str
