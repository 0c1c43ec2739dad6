"""The request for batch jobs of a site: nodes, minutes, queue, project."""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.hpc.sites.facts import Site


@dataclass(frozen=True)
class Request:
    """A request for one batch job, or for a chain of equal ones.

    Attributes:
        nodes: Number of whole nodes.
        minutes: Walltime.
        queue: The queue; None for the site's default.
        project: The project that pays.
        name: Name of the job in the queue.
        filesystems: File systems that the job needs, if the scheduler asks for them; None for the site's default.
        directives: Further directives for the scheduler, without its own prefix.
        jobs: Number of jobs in the queue at a time, each of which waits for the one before.
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
        """Return the queue of this request at a site."""
        return self.queue or site.default_queue

    def filesystems_at(self, site: Site) -> str | None:
        """Return the file systems of this request at a site."""
        return self.filesystems or site.directives.filesystems
