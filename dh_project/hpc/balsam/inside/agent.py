"""Balsam's site agent, with restarts: it does not stay half dead when one of its processes dies.

In Balsam's own agent, the work of a dead process is not done any more, and nobody notices. This agent starts all
processes anew instead, and asks a scheduler again that did not answer once.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time

import balsam.site.service
from balsam.config import SiteConfig
from balsam.schemas import BatchJobState
from balsam.site.service.main import PIDFile
from balsam.site.service.scheduler import SchedulerService
from balsam.util import SigHandler

logger = logging.getLogger("balsam.site.service.dh_project")

SET_PARENT_DEATH_SIGNAL = 1
"""Linux: ``PR_SET_PDEATHSIG``."""

PAUSE = 5.0
"""Seconds before a restart."""


class PersistentScheduler(SchedulerService):
    """A scheduler service that repeats a failed step in its next cycle."""

    def run_cycle(self) -> None:
        """Submit, follow and delete batch jobs."""
        try:
            self._forget_what_was_never_submitted()
            super().run_cycle()
        except Exception:
            logger.exception("a step of the scheduler service failed; trying again")

    def _forget_what_was_never_submitted(self) -> None:
        """Finish batch jobs that were deleted before their submission: Balsam's own service crashes at them."""
        jobs = self.client.BatchJob.objects
        for job in jobs.filter(site_id=self.site_id, state="pending_deletion"):
            if job.scheduler_id is None:
                job.state = BatchJobState.finished
                job.status_info = {**(job.status_info or {}), "error": "deleted before it was submitted"}
                job.save()


def main() -> None:
    """Run the agent until a signal comes."""
    if sys.platform == "linux":
        os.register_at_fork(after_in_child=_end_with_parent)
    multiprocessing.set_start_method("fork", force=True)
    balsam.site.service.SchedulerService = PersistentScheduler
    config = SiteConfig()
    with PIDFile(config.site_path):
        is_over = _serve(config)
    if not is_over:
        time.sleep(PAUSE)
        os.execv(sys.executable, sys.orig_argv)


def _serve(config: SiteConfig) -> bool:
    """Run the services; return whether a signal ended them, and not a crash."""
    signals = SigHandler()
    config.enable_logging(basename="service")
    config.update_site_from_config()
    services = config.build_services()
    for service in services:
        service.start()
    processes = multiprocessing.active_children()
    logger.info("the agent runs: %s", ", ".join(process.name for process in processes))
    while not signals.wait_until_exit(timeout=1.0):
        dead = [process.name for process in processes if not process.is_alive()]
        if dead:
            logger.error("%s died; restarting the agent", ", ".join(dead))
            break
    is_over = signals.is_set()
    for service in services:
        service.terminate()
    for service in services:
        service.join()
    logger.info("the agent ends")
    return bool(is_over)


def _end_with_parent() -> None:
    """Ask for a signal when the parent dies: orphans of an agent would work beside those of a new agent."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


if __name__ == "__main__":
    main()
