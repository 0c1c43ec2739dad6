"""Makes a site: its entry on the server, its settings and job template, and its folders."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dh_project.common.errors import UserError, unknown
from dh_project.common.files import write_whole
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.install.environment import run_inside
from dh_project.hpc.balsam.install.installation import Installation, NodeKind
from dh_project.hpc.balsam.install.job_template import local_template, mended_template

LOCAL = "local"

SYSTEMS = {
    LOCAL: "osx",
    "polaris": "alcf_polaris",
    "aurora": "alcf_aurora",
    "sunspot": "alcf_sunspot",
    "perlmutter-gpu": "nersc_perlmuttergpu",
    "perlmutter-cpu": "nersc_perlmuttercpu",
    "summit": "olcf_summit",
    "theta": "alcf_theta",
    "thetagpu": "alcf_thetagpu",
    "cooley": "alcf_cooley",
}
"""Types of sites, with the name of Balsam's settings for each."""

RETIRED = ("theta", "cooley", "summit")
"""Systems that have been switched off."""

LOCAL_PLATFORM = {
    "title": "This machine",
    "compute_node": "dh_project_platform.LocalNode",
    "local_app_launcher": "dh_project_platform.LocalRun",
    "mpi_app_launcher": "dh_project_platform.LocalMPIRun",
    "scheduler_class": "dh_project_platform.LocalScheduler",
    "optional_batch_job_params": {},
}

LONGEST_NAME = 100
"""Longest name of a site on Balsam's server."""

SETTINGS, TEMPLATE, NUMBER = "settings.yml", "job-template.sh", ".balsam-site"


class MadeSite(NamedTuple):
    """A site that was made or updated.

    Attributes:
        id: Its id on the server.
        name: Its name on the server.
        node: Resources of its nodes.
        kept: Files that the user has edited, which are left unchanged.
        changed: Whether other files changed; a running agent still knows the old ones.
    """

    id: int
    name: str
    node: NodeKind
    kept: list[str]
    changed: bool


def check_site_type(site_type: str) -> None:
    """Check a type of site.

    Raises:
        UserError: There is no such type.
    """
    if site_type not in SYSTEMS:
        raise unknown("site type", site_type, SYSTEMS)


def default_name(installation: Installation) -> str:
    """Return the default name of a site: the name of the folder and of this machine."""
    return f"{installation.folder.name}-{socket.gethostname().partition('.')[0]}"[:LONGEST_NAME]


def make_site(
    installation: Installation,
    site_type: str,
    name: str | None,
    projects: Sequence[str],
    client: BalsamClient,
) -> MadeSite:
    """Make the site, or the missing parts of it.

    Args:
        installation: The folder.
        site_type: ``local``, or a named system.
        name: What to call it; None for the name that it has, or else for one made of the folder's and the host's.
        projects: To which its batch jobs may be charged; none for those that it has.
        client: Speaks with the server.

    Raises:
        UserError: The name is another site's.
    """
    sites = client.sites()
    own = next((site for site in sites if site.path == str(installation.site)), None)
    name = name or (own.name if own else default_name(installation))
    other = next((site for site in sites if site.name == name and site is not own), None)
    if other:
        raise UserError(
            f"--site-name {name}: the server knows a site of that name, at {other.path}; give another name"
        )
    if own is None:
        own = client.create_site(name, installation.site)
    elif own.name != name:
        client.update_site(own.id, name=name)
    platform = LOCAL_PLATFORM if site_type == LOCAL else {}
    shipped = run_inside(
        installation, "defaults.py", given={"system": SYSTEMS[site_type], "changed": platform}
    )
    node = NodeKind.model_validate(shipped["node"])
    if site_type == "perlmutter-cpu":  # Balsam has the same class for both kinds of node
        node.gpus = 0
    template = (
        local_template(installation)
        if site_type == LOCAL
        else mended_template(shipped["template"], installation)
    )
    for folder, mode in (("data", 0o755), ("log", 0o755), ("qsubmit", 0o700)):
        (installation.site / folder).mkdir(parents=True, exist_ok=True, mode=mode)
    settings = _changed_settings(shipped["settings"], site_type, projects or _present_projects(installation))
    kept, is_new = _write_unless_edited(installation.site, {SETTINGS: settings, TEMPLATE: template})
    (installation.site / NUMBER).unlink(missing_ok=True)
    write_whole(installation.site / NUMBER, str(own.id))
    return MadeSite(own.id, name, node, kept, is_new)


def _changed_settings(text: str, site_type: str, projects: Sequence[str]) -> str:
    settings: dict[str, Any] = yaml.safe_load(text)
    settings["filter_tags"] = {}
    settings.update(transfers=None, elastic_queue=None, queue_maintainer=None, file_cleaner=None)
    # with Balsam's default of 64, one node would take all waiting jobs
    settings["launcher"]["serial_mode_prefetch_per_rank"] = 1
    settings["processing"]["num_workers"] = 1
    scheduler = settings["scheduler"]
    scheduler["optional_batch_job_params"] = {**(scheduler["optional_batch_job_params"] or {}), "after": ""}
    if projects:
        scheduler["allowed_projects"] = list(projects)
    if site_type == LOCAL:
        settings["logging"]["flush_period"] = 2
        scheduler["sync_period"] = 2
    head = (
        f"# Settings of a Balsam site ({site_type}), made by deephyper balsam-init; a changed file is kept.\n"
    )
    return head + yaml.safe_dump(settings, sort_keys=False)


def _present_projects(installation: Installation) -> list[str]:
    try:
        present = yaml.safe_load((installation.site / SETTINGS).read_text())
        return [str(project) for project in present["scheduler"]["allowed_projects"]]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return []


def _write_unless_edited(folder: Path, files: Mapping[str, str]) -> tuple[list[str], bool]:
    """Write files except those that the user has edited; return the latter, and whether any file changed."""
    record = folder / ".dh_project.json"
    try:
        written: dict[str, str] = json.loads(record.read_text())
    except (OSError, ValueError):
        written = {}
    edited, changed = [], False
    for name, text in files.items():
        path = folder / name
        present = path.read_text() if path.exists() else None
        if present is not None and name in written and _digest(present) != written[name]:
            edited.append(name)
            continue
        changed |= present != text
        write_whole(path, text)
        path.chmod(0o700 if name == TEMPLATE else 0o600)
        written[name] = _digest(text)
    write_whole(record, json.dumps(written, indent=1) + "\n")
    return edited, changed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
