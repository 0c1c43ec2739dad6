"""Whether a queue takes a request, and which queues do if it does not.

The same check serves the queues of a site file (``deephyper submit``) and the queues that a Balsam server knows
(``deephyper balsam-submit``).
"""

from __future__ import annotations

from collections.abc import Mapping

from dh_project.common.errors import UserError, unknown
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.sites.queues import Queue


def check_queue(site: str, queues: Mapping[str, Queue], name: str, request: Request) -> Queue:
    """Check that a queue takes a request, and return the queue.

    Args:
        site: Name of the site, for messages.
        queues: The queues of the site, by name.
        name: The queue that is asked for.
        request: Nodes, minutes and number of batch jobs.

    Raises:
        UserError: There is no such queue, or it does not take the request. The message names the queues that do.
    """
    queue = _queue(site, queues, name)
    if (reason := _refusal(name, queue, request)) is not None:
        raise UserError(f"{reason}; {_who_takes(queues, request)}")
    return queue


def _queue(site: str, queues: Mapping[str, Queue], name: str) -> Queue:
    """Return the queue with a name."""
    if name in queues:
        return queues[name]
    for submitted, queue in queues.items():
        if name in [tier.name for tier in queue.tiers]:
            raise UserError(
                f"queue {name} of {site} takes no jobs itself; submit to {submitted}, which sends them"
            )
    raise unknown(f"queue of {site}:", name, queues)


def _refusal(name: str, queue: Queue, request: Request) -> str | None:
    """Return why a queue does not take a request; None if it does."""
    nodes, minutes = request.nodes, request.minutes
    if not queue.takes_nodes(nodes):
        return f"queue {name} takes {_nodes(queue.min_nodes, queue.max_nodes)}, not {nodes}"
    if minutes < queue.min_minutes:
        return f"queue {name} takes jobs of at least {queue.min_minutes} minutes, not {minutes}"
    longest = queue.longest(nodes)
    if longest is not None and minutes > longest:
        tier = queue.tier(nodes)
        by_size = f" for {count(nodes, 'node')}" if tier else ""
        sent = f" (execution queue {tier.name})" if tier and tier.name else ""
        return f"queue {name} takes at most {longest} minutes{by_size}{sent}, not {minutes}"
    for most, whose in ((queue.jobs_per_user, "user"), (queue.jobs_per_project, "project")):
        if most is not None and request.jobs > most:
            return f"queue {name} takes {jobs_at_a_time(most, whose)}, not {request.jobs}"
    if request.jobs > 1 and not queue.chains:
        return f"queue {name} takes no jobs that wait for one another"
    return None


def _who_takes(queues: Mapping[str, Queue], request: Request) -> str:
    """Return which queues take a request, or which change of the request would fit a queue."""
    nodes, minutes = request.nodes, request.minutes
    open_queues = {name: queue for name, queue in queues.items() if not queue.by_request}
    takers = [name for name, queue in open_queues.items() if _refusal(name, queue, request) is None]
    what = f"{count(nodes, 'node')} for {count(minutes, 'minute')}"
    if request.jobs > 1:
        what = f"{request.jobs} jobs of {what}"
    if takers:
        return f"queues that take {what}: {', '.join(takers)}"
    asked = [name for name, queue in queues.items() if _refusal(name, queue, request) is None]
    also = f"; {', '.join(asked)} would, if the site gives you access" if asked else ""
    return f"no queue takes {what}: {_what_would_do(open_queues, request)}{also}"


def _what_would_do(queues: dict[str, Queue], request: Request) -> str:
    """Return which times the queues take for these nodes, and which nodes for this time."""
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
            (f"{count(nodes, 'node')} fit", times),
            (f"{count(minutes, 'minute')} fit", sizes),
        )
        if those
    ]
    return "; ".join(ways) or "none takes this size, and none this time"


def _sizes(queue: Queue, minutes: int) -> list[str]:
    """Return the ranges of nodes for which a queue takes a time."""
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


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _nodes(least: int, most: int | None) -> str:
    return f"{_range(least, most)} node" + ("" if least == most == 1 else "s")


def jobs_at_a_time(number: int, whose: str) -> str:
    """Return a limit on jobs in words: ``1 job of a user at a time``."""
    return f"{count(number, 'job')} of a {whose} at a time"


def count(number: int, thing: str) -> str:
    """Return a number with its noun: ``1 node``, ``2 nodes``."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
