"""The apps of a site, through which all jobs run: ``search`` and ``trial``."""

from __future__ import annotations

import hashlib

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.tags import SEARCH, TRIAL
from dh_project.hpc.balsam.install.environment import INSIDE, python_version, run_inside
from dh_project.hpc.balsam.install.installation import Installation

PROGRAM = "apps.py"


def register_apps(installation: Installation, client: BalsamClient, site_id: int) -> bool:
    """Make sure that the site has this version's apps; a request where it has, else some seconds.

    Returns:
        Whether an app that was there is another now; agents and launchers that run know the old one.
    """
    version = _version(installation)
    present = {app.name: app.description for app in client.apps(site_id)}
    if all(f"[{version}]" in present.get(name, "") for name in (SEARCH, TRIAL)):
        return False
    run_inside(installation, PROGRAM, str(site_id), version)
    return bool({SEARCH, TRIAL} & present.keys())


def _version(installation: Installation) -> str:
    """Return what the apps are known by: their source, and the Python that reads them."""
    content = (INSIDE / PROGRAM).read_bytes() + python_version(installation).encode()
    return hashlib.sha256(content).hexdigest()[:12]
