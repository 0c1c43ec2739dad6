"""Register the two apps of a site; a version of this file is in their descriptions.

Balsam stores a class by value where it is of the program that runs, so nothing of this file is needed later. Their
commands are their jobs' own, so that an app holds no path; an ``exec`` before them would not pass ``mpiexec``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from balsam.api import ApplicationDefinition

SITE, VERSION = int(sys.argv[1]), sys.argv[2]


class search(ApplicationDefinition):
    """The driver of a search: runs again after a crash, in this batch job or a later one."""

    site = SITE
    command_template = "/bin/bash -c {{ command }}"

    def handle_error(self) -> None:
        """Run it again, unless it said that it is over, or has crashed too often."""
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
        """Run it again in the next batch job, unless its launcher ended between its last word and its exit."""
        from pathlib import Path

        from balsam.schemas import JobState

        is_over = Path("over").exists()
        self.job.state = JobState.postprocessed if is_over else JobState.restart_ready


class trial(ApplicationDefinition):
    """An attempt at a trial: its driver decides about another, so that Balsam starts none."""

    site = SITE
    command_template = "/bin/bash -c {{ command }}"

    def handle_timeout(self) -> None:
        """Leave it at that."""
        from balsam.schemas import JobState

        self.job.state = JobState.failed


def main() -> None:
    """Register them, and print their numbers."""
    apps: list[Any] = [search, trial]
    for app in apps:
        app.__doc__ = f"{app.__doc__} [{VERSION}]"
        app.sync()
    print(json.dumps({app.__name__: app.__app_id__ for app in apps}))


if __name__ == "__main__":
    main()
