"""Writes job scripts for users to edit, a folder for each site.

Run as ``python -m dh_project.hpc.batch_jobs.ready_jobs FOLDER``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.batch_jobs.script import Program, render, render_affinity, render_balsam_site
from dh_project.hpc.sites.facts import Site
from dh_project.hpc.sites.names import PACKAGE
from dh_project.hpc.sites.site import load_site

PROJECT = "PROJECT"
"""Placeholder for the name of the user's project."""

ACTIVATE = ("source venv/bin/activate  # EDIT: the environment that has dh_project",)

SEARCH = (
    *("hps", "ambs", "--log-dir", "search", "--max-evals", "200"),
    *("--problem", "dh_project.cgcnn_mp.problem.Problem", "--run", "dh_project.cgcnn_mp.model_run.run"),
)
BEST_CONFIG = ("python", "-m", "dh_project.cgcnn_mp.best_config", "search/best.json", "epochs=300")

REQUESTS = {
    "polaris": (Request(10, 60, "prod", PROJECT), Request(1, 60, "debug", PROJECT)),
    "aurora": (Request(2, 60, "debug-scaling", PROJECT), Request(1, 60, "debug", PROJECT)),
    "theta": (Request(128, 180, "default", PROJECT), Request(1, 60, "debug-cache-quad", PROJECT)),
    "frontier": (Request(2, 120, "batch", PROJECT), Request(1, 120, "batch", PROJECT)),
    "perlmutter": (Request(2, 120, "regular", PROJECT), Request(1, 60, "regular", PROJECT)),
    "pbs": (Request(2, 60), Request(1, 60)),
    "slurm": (Request(2, 60), Request(1, 60)),
}
"""The requests in the scripts of each site: for a search, and for one training."""


def ready_jobs(site: Site) -> dict[str, str]:
    """Return the scripts of a site by their file names."""
    for_search, for_one = REQUESTS[site.name]
    scripts = {
        "search_mpi.sh": render(site, for_search, Program(SEARCH, "mpi", activate=ACTIVATE)),
        "best_config.sh": render(site, for_one, Program(BEST_CONFIG, activate=ACTIVATE)),
    }
    if site.ray is not None:
        scripts["search_ray.sh"] = render(site, for_search, Program(SEARCH, "ray", activate=ACTIVATE))
    if site.balsam is not None:
        scripts["balsam_site.sh"] = render_balsam_site(site, PROJECT, ACTIVATE)
    if (wrapper := render_affinity(site)) is not None:
        scripts["affinity.sh"] = wrapper
    return scripts


def write(folder: Path) -> None:
    """Write the scripts of all sites that this package ships.

    Raises:
        OSError: A script cannot be written.
    """
    for name in REQUESTS:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in ready_jobs(load_site(str(PACKAGE / f"{name}.toml"))).items():
            write_whole(place / file, text)
            (place / file).chmod(0o755)


def main(words: Sequence[str]) -> int:
    """Write the scripts, and return the exit status."""
    if len(words) != 1:
        print("usage: python -m dh_project.hpc.batch_jobs.ready_jobs FOLDER", file=sys.stderr)
        return 2
    try:
        write(Path(words[0]))
    except (UserError, OSError) as error:
        print(f"ready_jobs: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
