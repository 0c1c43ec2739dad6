"""The list of the user's submitted searches, in the user's state folder, so that their jobs are found from anywhere.

Each line is the folder of a search as a JSON string. The list only says where to look: the batch jobs themselves are
on record in the folders. A folder that has been removed is passed over.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from dh_project.common.files import at_home
from dh_project.common.json_lines import append_line, decode_line, read_lines
from dh_project.hpc.batch_jobs.record import JOBS


def searches_file() -> Path:
    """Return the list's file: ``dh_project/searches.jsonl`` in ``$XDG_STATE_HOME``, else in ``~/.local/state``."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return at_home(state) / "dh_project" / "searches.jsonl"


def remember_search(folder: Path) -> None:
    """Add the folder of a search to the list, unless it is on it.

    Raises:
        OSError: The list cannot be written.
    """
    folder = folder.absolute()
    if folder in _listed():
        return
    file = searches_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    append_line(file, json.dumps(str(folder)))


def remembered_searches() -> list[Path]:
    """Return the folders on the list that still have batch jobs on record, in the order of their first submission."""
    return [folder for folder in _listed() if (folder / JOBS).is_file()]


def _listed() -> list[Path]:
    try:
        lines = read_lines(searches_file())
    except OSError:
        return []
    return [Path(folder) for line in lines if isinstance(folder := decode_line(line), str)]
