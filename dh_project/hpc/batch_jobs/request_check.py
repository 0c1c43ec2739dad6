"""Checks a request against a site file before it is submitted.

Some schedulers accept a request that fits no queue and drop it later without a message. This check refuses it first.
"""

from __future__ import annotations

import re

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.queue_check import check_queue, count, jobs_at_a_time
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.sites.facts import Site
from dh_project.hpc.sites.queues import Queue

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:,+@/-]*")
"""A word that a directive can hold."""

LONGEST_NAME = 230
"""Longest job name that PBS takes (236 characters), minus room for a number at its end."""


def check_request(site: Site, request: Request) -> list[str]:
    """Check a request against a site file, and return notes for the user, a line each.

    Raises:
        UserError: The site would refuse or drop the request. The line names the queues that take it.
    """
    if site.retired is not None:
        raise UserError(f"{site.name}: {site.retired}")
    _check_words(site, request)
    name = request.queue_at(site)
    if name is None or not site.queues:
        unknown_limits = (
            f"the limits of the queues of {site.name} are not known: the scheduler checks nodes and time"
        )
        return [*site.notes, unknown_limits]
    queue = check_queue(site.name, site.queues, name, request)
    return [*site.notes, *_notes(name, queue, request)]


def _check_words(site: Site, request: Request) -> None:
    """Check each part of a request on its own."""
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
    for line in request.directives:
        if not line.strip() or line.splitlines() != [line]:
            raise UserError(f"--directive {line!r}: give one line, as in --directive=--gres=gpu:4")
    name = request.name  # the name of the job's output file begins with it
    if not name or not name[0].isalpha() or "/" in name or len(name) > LONGEST_NAME:
        raise UserError(
            f"--name {name!r}: a job's name begins with a letter, has no slash, and at most {LONGEST_NAME} characters"
        )


def _notes(name: str, queue: Queue, request: Request) -> list[str]:
    """Return notes for the user about a request that a queue takes."""
    notes = []
    tier = queue.tier(request.nodes)
    if tier is not None and tier.name:
        notes.append(f"{name} sends a job of {count(request.nodes, 'node')} to {tier.name}")
    if queue.longest(request.nodes) is None or (queue.max_nodes is None and not queue.tiers):
        notes.append(f"the limits of queue {name} are not all known here: the scheduler checks the rest")
    if queue.preemptable:
        notes.append(
            f"a job in {name} may be killed without warning; it then starts again, and the search continues"
        )
    if queue.by_request:
        notes.append(f"ask the site for access to {name} first")
    if queue.running_per_user is not None:
        notes.append(f"{name} runs {jobs_at_a_time(queue.running_per_user, 'user')}")
    elif queue.jobs_per_user is not None:
        notes.append(f"{name} takes {jobs_at_a_time(queue.jobs_per_user, 'user')}, queued or running")
    if queue.jobs_per_project is not None:
        notes.append(f"{name} takes {jobs_at_a_time(queue.jobs_per_project, 'project')}, queued or running")
    if queue.note:
        notes.append(f"{name}: {queue.note}")
    return notes
