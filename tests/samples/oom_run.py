"""A run function on a machine that, as it seems, kills it because memory ran out."""

import os
import signal
from pathlib import Path

from dh_project.worker import memory

memory.VMSTAT = Path("vmstat")
memory.VMSTAT.write_text("oom_kill 3\n")


def run(point):
    memory.VMSTAT.write_text("oom_kill 4\n")
    os.kill(os.getpid(), signal.SIGKILL)
