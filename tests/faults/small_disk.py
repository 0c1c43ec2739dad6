"""Small file systems that can be full or read-only, whoever runs the tests and wherever.

As root, or if users may have their own name spaces, it is a real file system in memory. Elsewhere a limit
of the size of files takes the part of the full disk, and the mode of a folder that of the read-only one: there is
always some way, and no test is skipped.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""

OBEY_MODES = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: root, too, obeys the modes of files
os.execv(sys.argv[1], sys.argv[1:])
"""


class Mount:
    """A file system of a size, mounted here or in a name space of its own.

    Attributes:
        prefix: Words before a command that shall see it.
        inside: Its path as such a command sees it.
        outside: Its path as everybody sees it.
    """

    def __init__(self, folder, size):
        folder.mkdir(parents=True)
        self.prefix, self.inside, self.outside, self._holder = [], folder, folder, None
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        if os.geteuid() == 0 and _succeeds(mount):
            self._mounted = True
            return
        self._mounted = False
        self._holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", f"{' '.join(mount)} && echo mounted && exec sleep 3600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self._holder.stdout.readline() != b"mounted\n":
            self.close()
            raise OSError("no file system can be mounted here")
        self.prefix = ["nsenter", "-t", str(self._holder.pid), "-U", "-m", "--preserve-credentials"]
        self.prefix += [f"--wd={folder.parent}"]
        self.outside = Path(f"/proc/{self._holder.pid}/root{folder}")

    def fill(self):
        """Take all the room there is."""
        with suppress(OSError), (self.outside / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def make_room(self):
        (self.outside / "ballast").unlink()

    def make_read_only(self):
        remount = [*self.prefix, "mount", "-o", "remount,ro", str(self.inside)]
        subprocess.run(remount, check=True, capture_output=True)

    def close(self):
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.inside)], check=True)
        if self._holder:
            self._holder.kill()
            self._holder.wait()
            self._holder.stdout.close()


class FileSizeLimit:
    """Not a disk, but no file in it can grow beyond a size until there is room."""

    def __init__(self, folder, size):
        folder.mkdir(parents=True)
        self.inside = self.outside = folder
        self.prefix = [sys.executable, "-c", LIMIT, str(size)]

    def fill(self):
        """Wait for a file to reach its limit: it does by itself."""

    def make_room(self):
        self.prefix = []

    def close(self):
        pass


def full_disk(folder, size):
    """Return the best small disk that can be had here."""
    try:
        return Mount(folder, size)
    except (OSError, subprocess.SubprocessError):
        return FileSizeLimit(folder.with_name("limited"), size // 128)


class ReadOnlyMode:
    """A folder that even root cannot write to, because of its mode."""

    def __init__(self, folder, size=0):
        folder.mkdir(parents=True)
        self.inside = self.outside = folder
        self.prefix = [sys.executable, "-c", OBEY_MODES] if os.geteuid() == 0 else []

    def make_read_only(self):
        self.outside.chmod(0o555)
        for path in self.outside.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)

    def close(self):
        self.outside.chmod(0o755)
        for path in self.outside.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


def _succeeds(words):
    with suppress(FileNotFoundError):
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    return False
