"""Node-local scratch of a worker: trials write there, and the worker copies their files to the search's folder.

Each attempt has a folder in scratch, which ``trial_folder()`` returns. The worker copies changed files, each as a
whole, to the attempt's home folder: first one second after the start, later every half a minute, and once more when
the processes of the attempt are dead. The last copy is made before the driver is told of the end, so that it finds
all files in the home folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from dh_project.common.files import replacing
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import LOG, RESULT, Assignment
from dh_project.trial.ranks import folder_of
from dh_project.trial.scratch import LEAST_ROOM, in_words, own_folder, require_room
from dh_project.trial.trial import State
from dh_project.worker.attempt_result import without_objective
from dh_project.worker.copying import copy_content, make_readable, make_way, remove_copy, written_in

FIRST_SECONDS = 1.0
"""Seconds until files are copied for the first time. Each further interval is twice as long,"""

SECONDS = 30.0
"""up to this number of seconds."""

LARGEST_SHARE = 0.1
"""Largest share of the time that copying may take before a trial ends: slow copies are made less often."""


class Scratch:
    """A worker's folder in its node's scratch, and the attempt that writes there.

    Args:
        place: Path of the node's scratch, first used with the first attempt. Empty if there is none.
    """

    def __init__(self, place: str) -> None:
        self._place = Path(place) if place else None
        self._name = uuid4().hex[:16]
        self._folder: Path | None = None
        self._lock: Any = None
        self._outputs: Outputs | None = None

    @property
    def seconds(self) -> float:
        """Seconds that copying the attempt's files may take."""
        return self._outputs.longest if self._outputs else 0.0

    def begin(self, assignment: Assignment) -> Assignment:
        """Return an attempt with a folder in scratch; without one if scratch cannot be used.

        Raises:
            OSError: If the attempt's home folder cannot be created.
        """
        if self._place is None:
            return assignment
        home = Path(assignment.folder)
        home.mkdir(parents=True, exist_ok=True)
        (home / RESULT).unlink(missing_ok=True)  # it may be left of a search whose journal was removed
        try:
            paths = SearchPaths(self._own_folder(self._place))  # with the same names of folders as the search
            folder = Path(folder_of(str(paths.trial(assignment.trial, assignment.attempt)), assignment.rank))
            folder.mkdir(parents=True)
        except OSError as error:
            with suppress(OSError), (home / LOG).open("a", encoding="utf-8") as log:
                log.write(f"--scratch {self._place}: {in_words(error)}; this trial writes in {home}\n")
            return assignment
        self._outputs = Outputs(folder, home)
        return replace(assignment, scratch=str(folder))

    def began(self) -> None:
        """Start to copy changed files. No process may be forked until the attempt has ended."""
        if self._outputs is not None:
            self._outputs.start()

    def end(self, result: dict[str, Any]) -> dict[str, Any]:
        """Copy the attempt's last files, remove its folder in scratch, and return its result.

        Args:
            result: Result of the attempt. If the files cannot be copied, a trial that is done, stopped, parked or
                paused becomes lost, because its result is worth nothing without them.
        """
        if self._outputs is None:
            return result
        outputs, self._outputs = self._outputs, None
        error = outputs.finish()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        state = State(result["state"])
        if error is None or not (state.has_objective or state is State.PAUSED):
            return result
        why = f"a fault of the machine: its files in scratch cannot be copied to its folder: {error}"
        return {**result, **without_objective(State.LOST, why)}

    def close(self) -> None:
        """Remove the worker's folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.__exit__(None, None, None)
            with suppress(OSError):
                _lock_of(self._folder).unlink(missing_ok=True)
            self._folder = None

    def _own_folder(self, place: Path) -> Path:
        """Return the worker's folder, whose lock shows that the worker is alive."""
        own = own_folder(place) / "attempts"
        require_room(own.parent, LEAST_ROOM, "a trial")
        if self._folder is None:
            from dh_project.common.file_lock import file_lock  # which takes time to import

            own.mkdir(exist_ok=True)
            folder = own / self._name
            lock = file_lock(_lock_of(folder))  # before the folder, so that no folder is without a lock
            lock.__enter__()
            self._lock, self._folder = lock, folder
            _clear(own)
        self._folder.mkdir(exist_ok=True)
        return self._folder


class Outputs:
    """Copies the files of an attempt from scratch to its home folder.

    Args:
        source: Folder in scratch.
        target: Home folder.

    Attributes:
        longest: Longest time that copying the changed files took, in seconds.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        self.longest = 0.0
        self._copied: dict[Path, tuple[int, ...]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="outputs", daemon=True)

    def start(self) -> None:
        """Start to copy changed files."""
        self._thread.start()

    def finish(self) -> OSError | None:
        """Copy the remaining changes after the last process has ended; return the first error, if any."""
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join()
        return self._copy_changes(is_last=True)

    def _serve(self) -> None:
        wait = FIRST_SECONDS
        while not self._ends.wait(max(wait, self.longest / LARGEST_SHARE)):
            began = time.monotonic()
            self._copy_changes()  # only an error of the last copy counts
            self.longest = max(self.longest, time.monotonic() - began)
            wait = min(2 * wait, SECONDS)

    def _copy_changes(self, is_last: bool = False) -> OSError | None:
        """Copy changed files and delete files that the trial has deleted; return the first error, if any."""
        first: OSError | None = None
        there: set[Path] = set()
        for path in written_in(self.source):
            if self._ends.is_set() and not is_last:
                return first
            there.add(path)
            try:
                self._copy(path, is_last)
            except OSError as error:
                if os.path.lexists(self.source / path):
                    first = first or error  # otherwise the trial has just deleted it
        if not self.source.is_dir():  # somebody has removed it
            return FileNotFoundError(errno.ENOENT, "it is gone", str(self.source))
        for path in self._copied.keys() - there:
            left = self.source / path
            if not os.path.lexists(left) or (left.is_dir() and not left.is_symlink()):
                remove_copy(path, self.target)
                del self._copied[path]
        return first

    def _copy(self, path: Path, is_last: bool) -> None:
        source, target = self.source / path, self.target / path
        status = source.lstat()
        state = _state(status)
        if self._copied.get(path) == state:
            return
        self.target.mkdir(parents=True, exist_ok=True)
        make_way(path, self.target)
        if stat.S_ISLNK(status.st_mode):
            self._copy_link(source, target)
        elif stat.S_ISREG(status.st_mode):
            make_readable(source)
            with replacing(target) as aside:
                with source.open("rb") as file, aside.open("wb") as copy:
                    before = _state(os.fstat(file.fileno()))
                    copy_content(file.fileno(), copy.fileno())
                    changed = _state(os.fstat(file.fileno())) != before
                if changed and not is_last and path != Path(LOG):  # a partial log is useful
                    raise BlockingIOError(0, "it is being written", str(source))
                shutil.copystat(source, aside)
        self._copied[path] = state

    def _copy_link(self, source: Path, target: Path) -> None:
        """Copy a symbolic link; a link to a file of the trial leads to the copy of that file."""
        to = source.readlink()
        if to.is_relative_to(self.source):
            to = Path(os.path.relpath(to, source.parent))
        target.unlink(missing_ok=True)
        target.symlink_to(to)


def _state(status: os.stat_result) -> tuple[int, ...]:
    """Return properties of a file that change if it is written or replaced."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _clear(folder: Path) -> None:
    """Remove the folders of workers that were killed: nobody holds their locks."""
    from filelock import Timeout

    from dh_project.common.file_lock import file_lock

    for left in [path for path in folder.iterdir() if path.is_dir()]:
        with suppress(OSError, Timeout), file_lock(_lock_of(left), wait=False) as held:
            if held is not None:  # None: the file system has no locks
                shutil.rmtree(left, ignore_errors=True)
                _lock_of(left).unlink(missing_ok=True)
