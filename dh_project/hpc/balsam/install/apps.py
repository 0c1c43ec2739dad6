"""The two apps of a site, ``search`` and ``trial``, through which all jobs run."""

from __future__ import annotations

import hashlib

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.tags import SEARCH, TRIAL
from dh_project.hpc.balsam.install.environment import INSIDE, python_version, run_inside
from dh_project.hpc.balsam.install.installation import Installation

PROGRAM = "apps.py"


def register_apps(installation: Installation, client: BalsamClient, site_id: int) -> bool:
    """Make sure that the site has the apps of this version. This takes some seconds if it has not.

    Returns:
        Whether an existing app was replaced. Running agents and launchers still know the old one.
    """
    version = _version(installation)
    present = {app.name: app.description for app in client.apps(site_id)}
    if all(f"[{version}]" in present.get(name, "") for name in (SEARCH, TRIAL)):
        return False
    run_inside(installation, PROGRAM, str(site_id), version)
    return bool({SEARCH, TRIAL} & present.keys())


def _version(installation: Installation) -> str:
    """Return the version of the apps: a hash of their source and of the Python that reads them."""
    content = (INSIDE / PROGRAM).read_bytes() + python_version(installation).encode()
    return hashlib.sha256(content).hexdigest()[:12]
