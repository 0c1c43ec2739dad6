"""Where a worker's trials write meanwhile: its node's scratch, out of which the worker brings what they leave.

Each attempt has a folder there, which ``trial_folder()`` names. What has changed in it is brought to the attempt's
own folder, in the search's, soon after it began and then every half a minute, each file whole, and once more when its
processes are dead: before its end is told, so that who hears of the end finds all files where they belong.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from dh_project.common.files import is_aside, replacing
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import LOG, RESULT, Assignment
from dh_project.trial.ranks import folder_of
from dh_project.trial.scratch import LEAST_ROOM, in_words, own_folder, require_room
from dh_project.trial.trial import State
from dh_project.worker.attempt_result import without_objective

FIRST_SECONDS = 1.0
"""After so long what a trial has left is brought for the first time, and then after twice as long each time,"""

SECONDS = 30.0
"""until it is this."""

LARGEST_SHARE = 0.1
"""Of the time, that bringing files may take before a trial ends; where it takes long, it is done seldom."""


class Scratch:
    """A worker's folder in its node's scratch, and the attempt that writes there.

    Args:
        place: The node's scratch, which is looked at with the first attempt; empty where there is none.
    """

    def __init__(self, place: str) -> None:
        self._place = Path(place) if place else None
        self._name = uuid4().hex[:16]
        self._folder: Path | None = None
        self._lock: Any = None
        self._outputs: Outputs | None = None

    @property
    def seconds(self) -> float:
        """How long it may take to bring what the attempt leaves."""
        return self._outputs.longest if self._outputs else 0.0

    def begin(self, assignment: Assignment) -> Assignment:
        """Make room for an attempt, and return it with its folder there; without, where there is none to be had.

        Raises:
            OSError: The attempt's own folder cannot be made.
        """
        if self._place is None:
            return assignment
        home = Path(assignment.folder)
        home.mkdir(parents=True, exist_ok=True)
        (home / RESULT).unlink(missing_ok=True)  # of a search whose journal was taken away
        try:
            paths = SearchPaths(
                self._own_folder(self._place)
            )  # a folder's name tells the same as the search's
            folder = Path(folder_of(str(paths.trial(assignment.trial, assignment.attempt)), assignment.rank))
            folder.mkdir(parents=True)
        except OSError as error:
            with suppress(OSError), (home / LOG).open("a", encoding="utf-8") as log:
                log.write(f"--scratch {self._place}: {in_words(error)}; this trial writes in {home}\n")
            return assignment
        self._outputs = Outputs(folder, home)
        return replace(assignment, scratch=str(folder))

    def began(self) -> None:
        """Bring what the attempt leaves from now on. No process may be forked before its end."""
        if self._outputs is not None:
            self._outputs.start()

    def end(self, result: dict[str, Any]) -> dict[str, Any]:
        """Bring what the attempt left, take its folder away, and return its result.

        Args:
            result: How it ended. What is worth nothing without its files is lost where these cannot be brought.
        """
        if self._outputs is None:
            return result
        outputs, self._outputs = self._outputs, None
        error = outputs.finish()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if error is None or result["state"] not in (State.DONE, State.STOPPED, State.PAUSED):
            return result
        why = f"a fault of the machine: what it left in scratch cannot be brought to its folder: {error}"
        return {**result, **without_objective(State.LOST, why)}

    def close(self) -> None:
        """Take the worker's folder away."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.__exit__(None, None, None)
            with suppress(OSError):
                _lock_of(self._folder).unlink(missing_ok=True)
            self._folder = None

    def _own_folder(self, place: Path) -> Path:
        """Return the worker's folder, whose lock tells that it is alive."""
        own = own_folder(place) / "attempts"
        require_room(own.parent, LEAST_ROOM, "a trial")
        if self._folder is None:
            from dh_project.common.file_lock import file_lock  # which takes time to import

            own.mkdir(exist_ok=True)
            folder = own / self._name
            lock = file_lock(_lock_of(folder))  # before the folder, which is never seen without it
            lock.__enter__()
            self._lock, self._folder = lock, folder
            _clear(own)
        self._folder.mkdir(exist_ok=True)
        return self._folder


class Outputs:
    """Brings the files that an attempt writes to where they belong.

    Args:
        source: Where it writes.
        target: Where they belong.

    Attributes:
        longest: Seconds that bringing what had changed took at most.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        self.longest = 0.0
        self._brought: dict[Path, tuple[int, ...]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="outputs", daemon=True)

    def start(self) -> None:
        """Begin to bring what changes."""
        self._thread.start()

    def finish(self) -> OSError | None:
        """Bring the rest, when nobody writes any more; return what was in the way."""
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join()
        return self._bring_changes(is_last=True)

    def _serve(self) -> None:
        wait = FIRST_SECONDS
        while not self._ends.wait(max(wait, self.longest / LARGEST_SHARE)):
            began = time.monotonic()
            self._bring_changes()  # where it fails there may be room later: the last time counts
            self.longest = max(self.longest, time.monotonic() - began)
            wait = min(2 * wait, SECONDS)

    def _bring_changes(self, is_last: bool = False) -> OSError | None:
        """Bring what has changed, and take away what the trial has; return the first error that stood in the way."""
        first: OSError | None = None
        there: set[Path] = set()
        for path in _written_in(self.source):
            if self._ends.is_set() and not is_last:
                return first
            there.add(path)
            try:
                self._bring(path, is_last)
            except OSError as error:
                if os.path.lexists(self.source / path):
                    first = first or error  # else the trial has just taken it away
        if not self.source.is_dir():  # somebody has cleaned up: what was brought is all there is
            return FileNotFoundError(errno.ENOENT, "it is gone", str(self.source))
        for path in self._brought.keys() - there:
            if not os.path.lexists(self.source / path):
                with suppress(OSError):
                    (self.target / path).unlink()
                del self._brought[path]
        return first

    def _bring(self, path: Path, is_last: bool) -> None:
        source, target = self.source / path, self.target / path
        status = source.lstat()
        state = _state(status)
        if self._brought.get(path) == state:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(status.st_mode):
            self._bring_link(source, target)
        elif stat.S_ISREG(status.st_mode):
            with replacing(target) as aside:
                with source.open("rb") as file, aside.open("wb") as copy:
                    before = _state(os.fstat(file.fileno()))
                    shutil.copyfileobj(file, copy, 2**20)
                    changed = _state(os.fstat(file.fileno())) != before
                if changed and not is_last and path != Path(LOG):  # a log is of use as far as it is
                    raise BlockingIOError(0, "it is being written", str(source))
                shutil.copystat(source, aside)
        self._brought[path] = state

    def _bring_link(self, source: Path, target: Path) -> None:
        """Make a link again; one to the trial's own files leads to those that are brought."""
        to = source.readlink()
        if to.is_relative_to(self.source):
            to = Path(os.path.relpath(to, source.parent))
        target.unlink(missing_ok=True)
        target.symlink_to(to)


def _written_in(folder: Path) -> Iterator[Path]:
    """Yield all that is in a folder and is no folder, by its path from there, but for what `replacing` has aside."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in [*names, *links]:
            if not is_aside(name):
                yield (Path(parent) / name).relative_to(folder)


def _state(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes where a file is written or replaced."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _clear(folder: Path) -> None:
    """Take away what workers left that were killed: nobody holds their locks."""
    from filelock import Timeout

    from dh_project.common.file_lock import file_lock

    for left in [path for path in folder.iterdir() if path.is_dir()]:
        with suppress(OSError, Timeout), file_lock(_lock_of(left), wait=False) as held:
            if held is not None:  # else the file system knows no locks, and who lives is not known
                shutil.rmtree(left, ignore_errors=True)
                _lock_of(left).unlink(missing_ok=True)
