"""Chooses the stopper of a search if the user names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dh_project.hps.settings import SearchSettings
from dh_project.results.journal import JournalReader, Record
from dh_project.results.paths import SearchPaths
from dh_project.user_code.resumable import can_resume
from dh_project.user_code.run_function import RunFunction

NONE = "none"
"""Name for ``--stopper`` that lets each trial run to its end."""

DEFAULT = "asha"
"""The stopper of a search by a model if the run function can resume."""


class ChosenStopper(NamedTuple):
    """Name and settings of a stopper, and whether it was chosen for the user."""

    name: str
    settings: Mapping[str, Any]
    is_default: bool = False


def chosen_stopper(settings: SearchSettings, paths: SearchPaths, fresh: bool) -> ChosenStopper:
    """Return the stopper that is named; or else that of the search's first session; or else the default.

    The default parks and resumes trials (``asha``) if the searcher is ``ambs`` and the run function is declared to
    resume (``dh.resumable``). There is none for other searches, and none with replicates.

    Args:
        settings: The settings of the search.
        paths: Paths of the search.
        fresh: Whether the search begins anew.

    Raises:
        UserError: The journal is damaged, or the run function cannot be loaded.
    """
    if settings.stopper is not None:
        return ChosenStopper(settings.stopper, settings.stopper_settings)
    if settings.replicates > 1:  # a stopper ends the trials of a point at different steps
        return ChosenStopper(NONE, {})
    first = None if fresh else _first_session(paths)
    if first is not None:
        known = "stopper_settings" in first  # not in searches of earlier versions
        return ChosenStopper((known and first["stopper"]) or NONE, first.get("stopper_settings", {}))
    if settings.searcher == "ambs" and can_resume(RunFunction.of(settings.run).function):
        return ChosenStopper(DEFAULT, {}, is_default=True)
    return ChosenStopper(NONE, {})


def _first_session(paths: SearchPaths) -> Record | None:
    """Return the record of the first session; None if there is no journal."""
    try:
        for records in JournalReader(paths.journal, with_reports=False).new():
            for record in records:
                if record["kind"] == "session":
                    return record
    except OSError:  # the search reads all of it next, and says why that is impossible
        return None
    return None
