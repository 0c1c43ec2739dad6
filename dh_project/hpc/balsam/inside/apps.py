"""Registers the two apps of a site. Their descriptions hold a hash of this file.

Balsam pickles a class of the running program by value, so this file is not needed later. The command is a parameter
of each job, so that an app holds no path. It has no ``exec`` before it, which ``mpiexec`` would not pass on.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from balsam.api import ApplicationDefinition

SITE, VERSION = int(sys.argv[1]), sys.argv[2]


class search(ApplicationDefinition):
    """The driver of a search. It runs again after a crash, in this batch job or a later one."""

    site = SITE
    command_template = "/bin/bash -c {{ command }}"

    def handle_error(self) -> None:
        """Run the driver again, unless its search is over or it has crashed too often."""
        from pathlib import Path

        from balsam.schemas import JobState

        crashes = Path("crashes")
        before = len(crashes.read_text()) if crashes.exists() else 0
        if Path("over").exists() or before >= 10:
            self.job.state = JobState.failed
            return
        crashes.write_text("x" * (before + 1))
        self.job.state = JobState.restart_ready

    def handle_timeout(self) -> None:
        """Run the driver again in the next batch job, unless its search is over."""
        from pathlib import Path

        from balsam.schemas import JobState

        is_over = Path("over").exists()
        self.job.state = JobState.postprocessed if is_over else JobState.restart_ready


class trial(ApplicationDefinition):
    """An attempt at a trial. Balsam never repeats it: the driver decides about another attempt."""

    site = SITE
    command_template = "/bin/bash -c {{ command }}"

    def handle_timeout(self) -> None:
        """Do not run the attempt again."""
        from balsam.schemas import JobState

        self.job.state = JobState.failed


def main() -> None:
    """Register the apps, and print their ids."""
    apps: list[Any] = [search, trial]
    for app in apps:
        app.__doc__ = f"{app.__doc__} [{VERSION}]"
        app.sync()
    print(json.dumps({app.__name__: app.__app_id__ for app in apps}))


if __name__ == "__main__":
    main()
