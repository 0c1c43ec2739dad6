"""The search's own job: runs the search in its folder, from one batch job to the next.

Balsam starts it again in the next batch job if its launcher ended, or if it crashed and left no file ``over``. So a
driver whose time has run out stays until the launcher ends it. A driver whose search is over writes that file,
removes the waiting batch jobs from the queue, and exits.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn

import psutil

from dh_project.common.errors import UserError, one_line
from dh_project.hpc.balsam.client.client import BalsamClient, ServerError
from dh_project.hpc.balsam.install.installation import active_installation
from dh_project.hpc.balsam.install.programs import die_with_the_parent
from dh_project.hpc.balsam.jobs.chain import Chain
from dh_project.hpc.balsam.jobs.orders import Orders
from dh_project.hpc.balsam.jobs.staging import bring_back
from dh_project.hpc.balsam.jobs.submission import Over, Submission
from dh_project.results.driver_lock import DriverLock
from dh_project.results.paths import SearchPaths
from dh_project.results.search_results import exit_status
from dh_project.trial.ranks import forget_ranks

ENDS_VARIABLE = "DH_PROJECT_JOB_ENDS"
"""When the launcher ends its jobs, in seconds since 1970; the site's job template sets it."""

CRASHES = "crashes"
"""A file in which the site's app counts them."""

JOB_VARIABLE = "BALSAM_JOB_ID"

UNSUCCESSFUL = 3
"""Exit status of a search that did not succeed; after 1 and 255 Balsam's launcher runs a job again at once."""

ENDED_FROM_OUTSIDE = 128 + signal.SIGTERM

LEAST_SECONDS = 5.0
"""Before the margin; with less there is no session."""

LONGEST_STAY = 600.0
"""Seconds past the launcher's end, after which it is taken to have died."""

PREDECESSOR_SECONDS = 60.0
"""For which a driver before this one may still be ending: it saves what its trials have."""

ORDER_SECONDS = 1.0

SERVER_PATIENCE = 60.0
"""Seconds for which a server that is down is waited for at the end."""

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How a session ended: its kind (:class:`dh_project.results.ending.Ending`), the reason, and the exit status."""

    kind: str
    reason: str
    status: int


class Ended(BaseException):
    """SIGTERM came, and no search was there to note it."""


class Driver:
    """Runs one session of a search.

    Args:
        folder: Where.
        chain: Submits the next batch job; None where there is no server to submit it to.

    Attributes:
        killed: Why the user ended the search, where that happened.
    """

    def __init__(self, folder: Path, submission: Submission, chain: Chain | None = None) -> None:
        self.folder, self.submission, self._chain = folder, submission, chain
        self.paths = SearchPaths(folder)
        self.killed: str | None = None

    def run(self) -> int:
        """Run it, and return the exit status for Balsam."""
        if (over := Over.read(self.folder)) is not None:  # it died between that file and its exit
            return UNSUCCESSFUL if over.status else 0
        signal.signal(signal.SIGTERM, _end)
        try:
            threading.Thread(target=self._obey, name="orders", daemon=True).start()
            if self._chain is not None:
                self._chain.start()
            outcome = self._session()
            self._bring_back()
            if outcome.kind == "time":
                log.info("staying until the batch job ends: %s", outcome.reason)
                self._stay()
        except Ended:
            outcome = Outcome("signal", "SIGTERM came", 130)
        if outcome.kind in ("signal", "time"):
            if self.killed is None:
                return ENDED_FROM_OUTSIDE
            outcome = Outcome("killed", self.killed, 130)
        if outcome.kind == "crash":  # Balsam runs it again, some times
            return UNSUCCESSFUL
        log.info("the search is over: %s", outcome.reason)
        Over(status=outcome.status, reason=outcome.reason).write(self.folder)
        self._end_chain()
        return UNSUCCESSFUL if outcome.status else 0

    def _session(self) -> Outcome:
        # Imported here: it takes seconds, in which a SIGTERM is to be heard already.
        from dh_project.hps.limits import Limits
        from dh_project.hps.progress import Lines
        from dh_project.hps.session import run_search
        from dh_project.hps.summary import print_summary

        try:
            settings = replace(self.submission.settings(), folder=Path())
        except UserError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return Outcome("refused", one_line(error), 2)
        ends = os.environ.get(ENDS_VARIABLE)
        if ends is not None:
            left = float(ends) - time.time()
            margin = self.submission.margin or min(Limits.margin, left / 4)
            if left - margin < LEAST_SECONDS:
                return Outcome(
                    "time", f"{left:.0f} s are left of the batch job, {margin:.0f} of them the margin", 0
                )
            walltime = float(ends) - psutil.Process().create_time()
            settings = replace(settings, walltime=walltime, margin=margin)
        if not self._is_free():
            return Outcome("crash", "the driver before, of a launcher that died, keeps the folder", 1)
        try:
            found = run_search(settings, observer=Lines())
        except (UserError, OSError) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return Outcome("refused", one_line(error), 2 if isinstance(error, UserError) else 1)
        except Exception as error:
            traceback.print_exc()
            return Outcome("crash", f"{type(error).__name__}: {one_line(error)}", 1)
        print_summary(found, settings.max_trials)
        (self.folder / CRASHES).unlink(missing_ok=True)  # those before were no hindrance
        assert found.ending is not None
        return Outcome(found.ending.kind, found.ending.reason, exit_status(found))

    def _is_free(self) -> bool:
        """Wait until a driver before, whose launcher died, has let go; say whether it has."""
        limit = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            try:
                DriverLock(self.paths).release()
            except OSError:  # the search itself says what is wrong with the folder
                return True
            except UserError as error:
                if time.monotonic() > limit:
                    return False
                log.info("%s", error)
                time.sleep(1.0)
            else:
                return True

    def _obey(self) -> None:
        """End the search where the user orders that."""
        orders = Orders(self.folder)
        while self.killed is None:
            for order in orders.new():
                if order.get("do") == "kill":
                    self.killed = str(order.get("reason", "killed"))
                    log.info("ordered to end: %s", self.killed)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
            time.sleep(ORDER_SECONDS)

    def _stay(self) -> None:
        """Stay until the launcher ends this job; Balsam then starts it in the next batch job."""
        ends = float(os.environ[ENDS_VARIABLE]) if ENDS_VARIABLE in os.environ else time.time()
        while time.time() < ends + LONGEST_STAY:
            time.sleep(1.0)

    def _bring_back(self) -> None:
        if self.submission.outputs is not None:
            try:
                bring_back(self.paths, self.submission.outputs)
            except OSError as error:
                log.error("results stay in %s: %s: %s", self.folder, error.filename, error.strerror)

    def _end_chain(self) -> None:
        if self._chain is None:
            return
        try:
            for batch_job in self._chain.end(SERVER_PATIENCE):
                log.info("batch job %d is taken out of the queue", batch_job.id)
        except ServerError as error:
            log.warning("batch jobs that are still ahead stay there and will find nothing to do: %s", error)


def chain_of(submission: Submission) -> Chain | None:
    """Return what submits the next batch jobs of the job that this process is."""
    if JOB_VARIABLE not in os.environ:
        return None
    try:
        installation = active_installation()
        client, site_id = BalsamClient.of(installation), installation.describe().site_id
    except UserError as error:
        log.warning("no further batch jobs will be submitted: %s", error)
        return None
    return Chain(
        client, site_id, submission.workflow, int(os.environ[JOB_VARIABLE]), submission.last_batch_job
    )


def main() -> NoReturn:
    """Run the search of the folder that this process is in."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    die_with_the_parent()
    forget_ranks(os.environ)
    folder = Path.cwd()
    try:
        submission = Submission.read(folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        Over(status=2, reason=str(error)).write(folder)
        sys.exit(UNSUCCESSFUL)
    if submission.import_from not in sys.path:
        sys.path.append(submission.import_from)
    sys.exit(Driver(folder, submission, chain_of(submission)).run())


def _end(number: int, frame: object) -> None:
    raise Ended
