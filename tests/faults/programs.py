"""A run function that starts programs of all kinds, for the tests of what outlives a search."""

import os
import subprocess
import time

from dh_project import trial_folder

PROGRAMS = {
    "plain": "exec sleep 600",
    "daemon": "sleep 600 & exit",
    "session": "exec setsid sleep 600",
    "cleaned": "exec env -i sleep 600",
    "cleaned daemon": "env -i sleep 600 & exit",
    "session, cleaned": "exec env -i setsid sleep 600",
    "session, cleaned, in the trial's folder": "cd $FOLDER && exec env -i setsid sleep 600 > /dev/null 2>&1",
}
"""Shell commands that start programs which the next session still finds if all processes of a search were killed."""

HIDDEN = "cd / && exec env -i setsid sleep 600 > /dev/null 2>&1"
"""One that left session, folder and environment: it is found only while the worker or its guard lives."""


def run(point, hidden=False):
    """Start programs of all kinds and hang."""
    for command in [*PROGRAMS.values(), *([HIDDEN] if hidden else [])]:
        subprocess.Popen(["sh", "-c", command], env={**os.environ, "FOLDER": str(trial_folder())})
    (trial_folder() / "ready").touch()
    time.sleep(600)
