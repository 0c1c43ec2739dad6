"""The processes of this user as the kernel lists them: what identifies one process for good, and who started it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One line of the process table.

    Attributes:
        pid: Process id.
        start: Clock ticks from the machine's start to the process's start. With the id, it names one process for
            good, although the kernel gives ids to later processes again.
        parent: Id of its parent.
        session: Id of its session, which is the id of the process that began the session.
        has_terminal: Whether it belongs to a terminal, as a user's shell does.
        is_alive: Whether it has not ended. An ended process stays in the table until its parent asks for its status.
    """

    pid: int
    start: int
    parent: int
    session: int
    has_terminal: bool
    is_alive: bool

    @property
    def key(self) -> tuple[int, int]:
        """What no other process of this machine has until it is started again."""
        return self.pid, self.start


def process(pid: int) -> Process | None:
    """Return one process; None if there is none of this id."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    of = text.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    return Process(pid, int(of[19]), int(of[1]), int(of[3]), of[4] != "0", of[0] not in "ZX")


def own_processes() -> list[Process]:
    """Return the living processes of this user; an empty list on a system without ``/proc``."""
    found, user = [], os.getuid()
    with suppress(OSError):
        for entry in os.scandir(PROC):
            with suppress(OSError):  # it ended meanwhile
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    each = process(int(entry.name))
                    if each is not None and each.is_alive:
                        found.append(each)
    return found


def ancestors(pid: int) -> list[Process]:
    """Return the parent of a process, the parent's parent and so on."""
    found: list[Process] = []
    below = process(pid)
    while below is not None and below.parent and (above := process(below.parent)) is not None:
        found.append(above)
        below = above
    return found


def machine() -> str:
    """Return a name for this start of this machine and this namespace of process ids; empty if it has none."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return ""


def group(pid: int) -> str:
    """Return the control group of a process, such as a login or a batch job; empty if it is not known."""
    try:
        return (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""


def environment(pid: int) -> dict[str, str]:
    """Return the environment with which a process started; empty if it cannot be read."""
    try:
        content = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in content.decode(errors="replace").split("\0"))
    return {name: value for name, _, value in pairs}


def holds(pid: int, name: str) -> bool:
    """Return whether a process has a pipe of this name open; an empty name is none."""
    of = PROC / str(pid) / "fd"
    with suppress(OSError):
        for number in os.listdir(of) if name else ():  # noqa: PTH208
            with suppress(OSError):
                if os.readlink(of / number) == name:  # noqa: PTH115
                    return True
    return False


def uses_files_in(pid: int, folders: list[str]) -> bool:
    """Return whether a process works in one of the folders, or has a file there open for writing."""
    of = PROC / str(pid)
    with suppress(OSError):
        if _is_in(os.readlink(of / "cwd"), folders):  # noqa: PTH115
            return True
        for number in os.listdir(of / "fd"):  # noqa: PTH208
            with suppress(OSError):
                if _is_in(os.readlink(of / "fd" / number), folders):  # noqa: PTH115
                    flags = (of / "fdinfo" / number).read_text().split("flags:")[1].split()[0]
                    if int(flags, 8) & os.O_ACCMODE:
                        return True
    return False


def _is_in(path: str, folders: list[str]) -> bool:
    return any(path.startswith(folder + os.sep) for folder in folders)
