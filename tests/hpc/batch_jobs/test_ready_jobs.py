import os
import subprocess
import sys
from pathlib import Path

import pytest

from dh_project.hpc.batch_jobs.ready_jobs import REQUESTS, main, ready_jobs
from dh_project.hpc.batch_jobs.request_check import check_request
from dh_project.hpc.sites.names import PACKAGE
from dh_project.hpc.sites.site import load_site

FOLDER = Path(__file__).parents[3] / "jobs"
SCRIPTS = sorted(FOLDER.glob("*/*.sh"))


def test_every_site_of_the_package_has_scripts():
    assert set(REQUESTS) == {file.stem for file in PACKAGE.glob("*.toml")}


@pytest.mark.parametrize("site", REQUESTS)
def test_the_folder_holds_what_the_renderer_makes(site):
    made = ready_jobs(load_site(str(PACKAGE / f"{site}.toml")))
    there = {file.name: file.read_text() for file in (FOLDER / site).iterdir()}
    assert there == made, "python -m dh_project.hpc.batch_jobs.ready_jobs jobs"


@pytest.mark.parametrize("site", [name for name in REQUESTS if name != "theta"])
def test_what_the_scripts_ask_for_is_taken(site):
    for request in REQUESTS[site]:
        check_request(load_site(str(PACKAGE / f"{site}.toml")), request)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_bash_and_shellcheck_take_it_and_it_may_be_run(file):
    subprocess.run(["bash", "-n", file], check=True)
    shellcheck = Path(sys.executable).parent / "shellcheck"
    # SC1091: the user's environment does not exist here
    checked = subprocess.run([shellcheck, "--exclude=SC1091", file], capture_output=True, text=True)
    assert checked.stdout == ""
    assert os.access(file, os.X_OK)


def test_scripts_of_a_site_that_was_switched_off_say_so_first():
    for file in (FOLDER / "theta").glob("*.sh"):
        comments = [line for line in file.read_text().splitlines() if line.startswith("# ")]
        assert comments[0].startswith("# HISTORY ONLY: it was switched off")


def test_a_folder_is_written_whole(tmp_path):
    assert main([str(tmp_path / "jobs")]) == 0
    made = {file.relative_to(tmp_path / "jobs"): file.read_text() for file in tmp_path.glob("jobs/*/*")}
    assert made == {file.relative_to(FOLDER): file.read_text() for file in FOLDER.glob("*/*")}


def test_a_folder_that_cannot_be_is_told(tmp_path, capsys):
    (tmp_path / "jobs").write_text("")
    assert main([str(tmp_path / "jobs")]) == 1
    assert "jobs" in capsys.readouterr().err
    assert main([]) == 2
