"""Remains: processes of trials that outlive their worker and its guard, because both were killed.

While one of the two lives, it ends the other's processes, which no program can escape (``guard``). Each worker also
notes in the search's folder what identifies the processes of its trials. If both are dead, the next part of the
search that starts or ends on the same machine reads the note and ends these processes:

- those that carry the worker's mark in their environment;
- those in the session of the guard;
- those that hold the pipe for what the worker's trials print;
- those that left both, but work in a trial's folder or write to a file there. Such a process must also have lost
  its parent, and belong to a session that is younger than the worker and has no terminal, so that a user's own shell
  or notebook in a trial's folder is never touched;
- all descendants of these.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dh_project.common.files import write_whole
from dh_project.results.paths import SearchPaths
from dh_project.worker.process_table import (
    Process,
    ancestors,
    environment,
    group,
    holds,
    machine,
    own_processes,
    process,
    uses_files_in,
)
from dh_project.worker.processes import MARK, end_all


@dataclass(frozen=True)
class Note:
    """What identifies the processes of a worker's trials.

    Attributes:
        machine: Machine on which the worker runs, since its last start.
        mark: Value of the mark in the environment of the worker.
        guard: Id and start of the guard, which leads the session of the worker.
        worker: Id and start of the worker.
        adopter: Id and start of the process that adopts the guard's descendants when it dies.
        group: Control group of the worker.
        folders: Folders in which trials write.
        output: Name of the pipe for what trials print, among the open files of a process; empty if it has none.
    """

    machine: str
    mark: str
    guard: tuple[int, int]
    worker: tuple[int, int]
    adopter: tuple[int, int]
    group: str
    folders: tuple[str, ...]
    output: str = ""

    @property
    def is_over(self) -> bool:
        """Whether both the worker and its guard are dead. Otherwise the one that lives ends the processes."""
        return not any(_lives(key) for key in (self.guard, self.worker))


def write_note(search: str, scratch: str, adopter: int, output: str = "") -> None:
    """Write this worker's note to the search's folder; do nothing if it is not known, or has no room.

    Args:
        search: Folder of the search, or an empty text.
        scratch: Node-local storage for files that trials write, or an empty text.
        adopter: Id of the process that adopts the guard's descendants when it dies.
        output: Name of the pipe for what trials print.
    """
    own, guard, above = process(os.getpid()), process(os.getppid()), process(adopter)
    if not search or own is None or guard is None or above is None:
        return
    folders = [str(SearchPaths(Path(search)).trials.resolve())]
    folders += [str(Path(scratch).resolve())] if scratch else []
    note = Note(
        machine(), os.environ[MARK], guard.key, own.key, above.key, group(own.pid), tuple(folders), output
    )
    path = _path(search, note.mark)
    with suppress(OSError):  # what follows can be done without it
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(asdict(note)) + "\n")


def remove_note(search: str, mark: str) -> None:
    """Remove a worker's note once none of its processes is left."""
    if search:
        path = _path(search, mark)
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()  # unless others have theirs there


def end_remains(search: str) -> None:
    """End the processes that dead workers of a search left on this machine.

    Args:
        search: Folder of the search; an empty text does nothing.
    """
    over = [note for note in _notes(search) if note.machine == machine() and note.is_over] if search else []
    if over:
        end_all(lambda: remains(over), _kill)
    for note in over:
        remove_note(search, note.mark)


def remains(notes: Iterable[Note]) -> list[Process]:
    """Return the living processes that the trials of dead workers have left on this machine."""
    table = own_processes()
    living = {each.pid: each for each in table}
    keep = {os.getpid(), *(each.pid for each in ancestors(os.getpid()))}
    found = {each.pid: each for note in notes for each in table if _belongs(each, note, living)}
    while more := [each for each in table if each.parent in found and each.pid not in found]:
        found |= {each.pid: each for each in more}
    return [each for pid, each in found.items() if pid not in keep]


def _belongs(each: Process, note: Note, living: dict[int, Process]) -> bool:
    """Return whether a process was started by a trial of a worker."""
    if each.start < note.worker[1]:
        return False
    if environment(each.pid).get(MARK) == note.mark or holds(each.pid, note.output):
        return True
    if group(each.pid) != note.group:
        return False
    session, began = note.guard
    if each.session == session and (session not in living or living[session].start == began):
        return True
    if each.has_terminal or (each.session in living and living[each.session].start < note.worker[1]):
        return False
    parent = process(each.parent)
    is_orphan = parent is None or parent.pid == 1 or parent.key == note.adopter
    return is_orphan and uses_files_in(each.pid, list(note.folders))


def _lives(key: tuple[int, int]) -> bool:
    each = process(key[0])
    return each is not None and each.is_alive and each.start == key[1]


def _kill(each: Process) -> None:
    """Kill a process, but not a later one with its id."""
    with suppress(OSError):
        handle = os.pidfd_open(each.pid)
        try:
            if _lives(each.key):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _notes(search: str) -> list[Note]:
    notes = []
    for path in SearchPaths(Path(search)).workers.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):  # another process removed it, or a full disk cut it
            told = json.loads(path.read_text())
            pairs = {name: tuple(told[name]) for name in ("guard", "worker", "adopter", "folders")}
            notes.append(Note(**{**told, **pairs}))
    return notes


def _path(search: str, mark: str) -> Path:
    return SearchPaths(Path(search)).workers / f"{mark}.json"
