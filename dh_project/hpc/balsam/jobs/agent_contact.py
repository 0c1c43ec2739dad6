"""How long ago the server heard of a site's agent."""

from __future__ import annotations

from datetime import UTC, datetime

from dh_project.hpc.balsam.client.models import BalsamSite

SILENT_SECONDS = 180.0
"""A running agent contacts the server at least once a minute. After this time it is held to be down."""


def is_silent(site: BalsamSite) -> bool:
    """Return whether the server has not heard of the site's agent for :data:`SILENT_SECONDS`."""
    return seconds_silent(site) > SILENT_SECONDS


def seconds_silent(site: BalsamSite) -> float:
    """Return the seconds since the server last heard of the site's agent."""
    return (datetime.now(UTC) - site.last_refresh).total_seconds()
