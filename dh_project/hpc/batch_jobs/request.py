"""What is asked of a site: nodes, minutes, queue, project."""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.hpc.sites.facts import Site


@dataclass(frozen=True)
class Request:
    """What is asked of a site.

    Attributes:
        nodes: Whole nodes.
        minutes: The time after which the scheduler ends the job.
        queue: The queue; the site's default where it is None.
        project: To be charged.
        name: Of the job.
        filesystems: Those that the job needs, where the scheduler wants to know; the site's default where None.
        directives: Further directives for the scheduler, without its own prefix.
        jobs: How many are submitted at a time, each waiting for the one before.
    """

    nodes: int
    minutes: int
    queue: str | None = None
    project: str | None = None
    name: str = "dh_project"
    filesystems: str | None = None
    directives: tuple[str, ...] = ()
    jobs: int = 1

    def queue_at(self, site: Site) -> str | None:
        """Return the queue, or the default one of the site."""
        return self.queue or site.default_queue

    def filesystems_at(self, site: Site) -> str | None:
        """Return the file systems, or the default ones of the site."""
        return self.filesystems or site.directives.filesystems
