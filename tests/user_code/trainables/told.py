"""A connection that keeps what a trial tells, for trials without a worker."""

from dh_project.trial.reporting import Connection


class Told(Connection):
    """Answers reports with a stop from a step on.

    Args:
        folder: The attempt's.
        before: That of the attempt before it.
        stop_at: The step whose report is answered with a stop.
    """

    def __init__(self, folder, before=None, stop_at=None):
        self.folder = self.home = folder
        self.predecessors = [before] if before else []
        self.stop_at = stop_at
        self.reports, self.facts = [], {}

    def report(self, step, objective):
        self.reports.append((step, objective))
        return self.stop_at is None or step < self.stop_at

    def record(self, facts):
        self.facts |= facts
