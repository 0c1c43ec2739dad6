"""The functions of the operating system that write files: counted, shortened and refused for tests."""

import errno
import os
from pathlib import Path


class FileLayer:
    """Stands between this process and its files.

    Args:
        monkeypatch: pytest's.

    Attributes:
        calls: The function and the file of each call, in order, the file by its inode.
        most_at_once: Bytes that one write takes at most.
        room: Bytes that there is still room for.
        fails: By function, the error that it raises.
    """

    def __init__(self, monkeypatch):
        self.calls = []
        self.most_at_once = self.room = 2**30
        self.fails = {}
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync", "ftruncate")}
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, name))

    def of(self, path):
        """Return the functions that were called of a file, in order."""
        return [name for name, file in self.calls if file == Path(path).stat().st_ino]

    def index(self, name, path):
        """Return the place among all calls at which a function was first called of a file."""
        return self.calls.index((name, Path(path).stat().st_ino))

    def open(self, path, *arguments, **more):
        descriptor = self._real["open"](path, *arguments, **more)
        self._note("open", descriptor)
        return descriptor

    def write(self, descriptor, data):
        self._note("write", descriptor)
        if data and not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._real["write"](descriptor, data[: min(self.most_at_once, self.room)])
        self.room -= written
        return written

    def fsync(self, descriptor):
        self._note("fsync", descriptor)
        return self._real["fsync"](descriptor)

    def ftruncate(self, descriptor, size):
        self._note("ftruncate", descriptor)
        return self._real["ftruncate"](descriptor, size)

    def _note(self, name, descriptor):
        self.calls.append((name, os.fstat(descriptor).st_ino))
        if name in self.fails:
            raise self.fails[name]
