"""The queues of a site, and which jobs they take."""

from __future__ import annotations

from pydantic import PositiveInt, model_validator

from dh_project.hpc.sites.tables import REQUESTED, Facts, Line, Table, check_placeholders


class Tier(Table):
    """A size range of a queue, with limits of its own.

    Attributes:
        name: The execution queue to which the scheduler sends such jobs, if it does.
        min_nodes: Fewest nodes.
        max_nodes: Most nodes.
        max_minutes: Longest walltime.
    """

    name: Line | None = None
    min_nodes: PositiveInt
    max_nodes: PositiveInt
    max_minutes: PositiveInt

    @model_validator(mode="after")
    def _is_a_range(self) -> Tier:
        if self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes {self.max_nodes} is below min_nodes {self.min_nodes}")
        return self


class Queue(Facts):
    """A queue (in Slurm a partition or QOS). A limit that is not given is not known, and is not checked.

    Attributes:
        min_nodes: Fewest nodes of a job.
        max_nodes: Most nodes.
        min_minutes: Shortest time.
        max_minutes: Longest walltime.
        tiers: Limits by size, where time depends on that; a job that fits none is taken by none.
        jobs_per_user: Jobs of one user, queued or running.
        running_per_user: Running jobs of one user.
        jobs_per_project: Jobs of one project, queued or running.
        chains: Whether jobs that wait for one another are allowed.
        preemptable: Whether a job may be killed without warning.
        by_request: Whether users must ask the site for access.
        directives: Directives that replace the site's own directive for the queue.
        note: Anything else to know, in a few words.
    """

    min_nodes: PositiveInt = 1
    max_nodes: PositiveInt | None = None
    min_minutes: PositiveInt = 1
    max_minutes: PositiveInt | None = None
    tiers: tuple[Tier, ...] = ()
    jobs_per_user: PositiveInt | None = None
    running_per_user: PositiveInt | None = None
    jobs_per_project: PositiveInt | None = None
    chains: bool = True
    preemptable: bool = False
    by_request: bool = False
    directives: tuple[str, ...] = ()
    note: Line = ""

    @model_validator(mode="after")
    def _limits_fit(self) -> Queue:
        check_placeholders(self.directives, REQUESTED)
        if self.max_nodes is not None and self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes {self.max_nodes} is below min_nodes {self.min_nodes}")
        if self.max_minutes is not None and self.max_minutes < self.min_minutes:
            raise ValueError(f"max_minutes {self.max_minutes} is below min_minutes {self.min_minutes}")
        return self

    def tier(self, nodes: int) -> Tier | None:
        """Return the size range that holds a number of nodes."""
        return next((tier for tier in self.tiers if tier.min_nodes <= nodes <= tier.max_nodes), None)

    def takes_nodes(self, nodes: int) -> bool:
        """Return whether the queue takes jobs of this size."""
        inside = self.min_nodes <= nodes and (self.max_nodes is None or nodes <= self.max_nodes)
        return inside and (not self.tiers or self.tier(nodes) is not None)

    def longest(self, nodes: int) -> int | None:
        """Return the longest walltime in minutes of a job of this size; None if it is not known."""
        tier = self.tier(nodes)
        limits = (self.max_minutes, tier.max_minutes if tier else None)
        return min((limit for limit in limits if limit is not None), default=None)

    def takes(self, nodes: int, minutes: int) -> bool:
        """Return whether the queue takes a job of this size and walltime."""
        longest = self.longest(nodes)
        return (
            self.takes_nodes(nodes)
            and self.min_minutes <= minutes
            and (longest is None or minutes <= longest)
        )
