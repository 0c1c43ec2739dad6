"""Why a session of a search ended."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["complete", "target", "epochs", "patience", "timeout", "time", "signal", "losses", "failures"]


class Ending(NamedTuple):
    """Why a session ended.

    Attributes:
        kind: One word, for programs.
        reason: One line, for people.
    """

    kind: Kind
    reason: str
