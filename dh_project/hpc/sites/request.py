"""What is asked of a site, and whether one of its queues takes it.

A request that fits no queue is refused before it is submitted: some schedulers accept one and drop it later without
a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dh_project.common.errors import UserError, unknown
from dh_project.hpc.sites.facts import Site
from dh_project.hpc.sites.queues import Queue

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:,+@/-]*")
"""What a directive can hold."""

LONGEST_NAME = 230
"""Characters of a job's name that PBS takes (236), less those of a number at its end."""


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
        jobs: How many are submitted at a time, each waiting for the one before.
    """

    nodes: int
    minutes: int
    queue: str | None = None
    project: str | None = None
    name: str = "dh_project"
    filesystems: str | None = None
    jobs: int = 1

    def queue_at(self, site: Site) -> str | None:
        """Return the queue, or the default one of the site."""
        return self.queue or site.default_queue

    def filesystems_at(self, site: Site) -> str | None:
        """Return the file systems, or the default ones of the site."""
        return self.filesystems or site.directives.filesystems


def check_request(site: Site, request: Request) -> list[str]:
    """Return what to know of a request before it is submitted, a line each.

    Raises:
        UserError: The site would refuse it, or let it vanish; the line names the queues that would take it.
    """
    if site.retired is not None:
        raise UserError(f"{site.name}: {site.retired}")
    _check_words(site, request)
    name = request.queue_at(site)
    if name is None or not site.queues:
        unknown_limits = f"nothing is known of the queues of {site.name}: the scheduler checks nodes and time"
        return [*site.notes, unknown_limits]
    queue = _queue(site, name)
    if (reason := _refusal(name, queue, request)) is not None:
        raise UserError(f"{reason}; {_who_takes(site, request)}")
    return [*site.notes, *_notes(name, queue, request)]


def _check_words(site: Site, request: Request) -> None:
    """Check each part of a request by itself."""
    for what, number in (("nodes", request.nodes), ("minutes", request.minutes)):
        if number < 1:
            raise UserError(f"--{what} {number}: give at least 1")
    given = {
        "project": request.project,
        "queue": request.queue_at(site),
        "filesystems": request.filesystems_at(site),
    }
    for what in site.directives.mandatory:
        if not given[what]:
            raise UserError(f"{site.name} takes no job without a {what.rstrip('s')}; give --{what}")
    for what, word in {**given, "name": request.name}.items():
        if word and not WORD.fullmatch(word):
            raise UserError(f"--{what} {word!r}: a scheduler takes letters, digits and _.:,+@/- only")
    name = request.name  # that of the file in which the job prints begins with it
    if not name or not name[0].isalpha() or "/" in name or len(name) > LONGEST_NAME:
        raise UserError(
            f"--name {name!r}: a job's name begins with a letter, has no slash, and at most {LONGEST_NAME} characters"
        )


def _queue(site: Site, name: str) -> Queue:
    """Return a queue by its name."""
    if name in site.queues:
        return site.queues[name]
    for submitted, queue in site.queues.items():
        if name in [tier.name for tier in queue.tiers]:
            raise UserError(
                f"queue {name} of {site.name} takes no jobs itself; submit to {submitted}, which sends them"
            )
    raise unknown(f"queue of {site.name}:", name, site.queues)


def _refusal(name: str, queue: Queue, request: Request) -> str | None:
    """Say why a queue does not take a request; None where it does."""
    nodes, minutes = request.nodes, request.minutes
    if not queue.takes_nodes(nodes):
        return f"queue {name} takes {_range(queue.min_nodes, queue.max_nodes)} nodes, not {nodes}"
    if minutes < queue.min_minutes:
        return f"queue {name} takes jobs of at least {queue.min_minutes} minutes, not {minutes}"
    longest = queue.longest(nodes)
    if longest is not None and minutes > longest:
        tier = queue.tier(nodes)
        by_size = f" for {_count(nodes, 'node')}" if tier else ""
        sent = f" (there it is {tier.name})" if tier and tier.name else ""
        return f"queue {name} takes at most {longest} minutes{by_size}{sent}, not {minutes}"
    for most, whose in ((queue.jobs_per_user, "user"), (queue.jobs_per_project, "project")):
        if most is not None and request.jobs > most:
            return f"queue {name} takes {_at_a_time(most, whose)}, not {request.jobs}"
    if request.jobs > 1 and not queue.chains:
        return f"queue {name} takes no jobs that wait for one another"
    return None


def _who_takes(site: Site, request: Request) -> str:
    """Name the queues that take a request, or what would make one take it."""
    nodes, minutes = request.nodes, request.minutes
    open_queues = {name: queue for name, queue in site.queues.items() if not queue.by_request}
    takers = [name for name, queue in open_queues.items() if _refusal(name, queue, request) is None]
    what = f"{_count(nodes, 'node')} for {_count(minutes, 'minute')}"
    if request.jobs > 1:
        what = f"{request.jobs} jobs of {what}"
    if takers:
        return f"queues that take {what}: {', '.join(takers)}"
    asked = [name for name, queue in site.queues.items() if _refusal(name, queue, request) is None]
    also = f"; {', '.join(asked)} would, at the site's leave" if asked else ""
    return f"no queue takes {what}: {_what_would_do(open_queues, request)}{also}"


def _what_would_do(queues: dict[str, Queue], request: Request) -> str:
    """Say which times the queues take for these nodes, and which nodes for this time."""
    nodes, minutes = request.nodes, request.minutes
    times = [
        f"{name} {queue.min_minutes} to {queue.longest(nodes)} minutes"
        for name, queue in queues.items()
        if queue.takes_nodes(nodes)
    ]
    sizes = [
        f"{name} {' or '.join(spans)} nodes"
        for name, queue in queues.items()
        if (spans := _sizes(queue, minutes))
    ]
    ways = [
        f"{what} {', '.join(those)}"
        for what, those in (
            (f"{_count(nodes, 'node')} fit", times),
            (f"{_count(minutes, 'minute')} fit", sizes),
        )
        if those
    ]
    return "; ".join(ways) or "nor is there one of that size, or of that time"


def _sizes(queue: Queue, minutes: int) -> list[str]:
    """Return the numbers of nodes for which a queue takes a time, as ranges."""
    if minutes < queue.min_minutes:
        return []
    spans: list[tuple[int, int | None]] = []
    for tier in queue.tiers:
        if minutes <= (queue.longest(tier.min_nodes) or minutes):
            joins = bool(spans) and spans[-1][1] == tier.min_nodes - 1
            least = spans.pop()[0] if joins else tier.min_nodes
            spans.append((least, tier.max_nodes))
    if not queue.tiers and minutes <= (queue.max_minutes or minutes):
        spans = [(queue.min_nodes, queue.max_nodes)]
    return [_range(*span) for span in spans]


def _notes(name: str, queue: Queue, request: Request) -> list[str]:
    """Return what to know of a request that a queue takes."""
    notes = []
    tier = queue.tier(request.nodes)
    if tier is not None and tier.name:
        notes.append(f"{name} sends a job of {_count(request.nodes, 'node')} to {tier.name}")
    if queue.longest(request.nodes) is None or (queue.max_nodes is None and not queue.tiers):
        notes.append(f"the limits of queue {name} are not all known here: the scheduler checks the rest")
    if queue.preemptable:
        notes.append(
            f"a job in {name} may be killed without warning, and starts again: the search goes on then"
        )
    if queue.by_request:
        notes.append(f"one has to ask the site before jobs go to {name}")
    if queue.running_per_user is not None:
        notes.append(f"{name} runs {_at_a_time(queue.running_per_user, 'user')}")
    elif queue.jobs_per_user is not None:
        notes.append(f"{name} takes {_at_a_time(queue.jobs_per_user, 'user')}, queued or running")
    if queue.jobs_per_project is not None:
        notes.append(f"{name} takes {_at_a_time(queue.jobs_per_project, 'project')}, queued or running")
    if queue.note:
        notes.append(f"{name}: {queue.note}")
    return notes


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _at_a_time(number: int, whose: str) -> str:
    return f"{_count(number, 'job')} of a {whose} at a time"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
