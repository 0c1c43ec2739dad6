"""The modules of this package that Balsam's own interpreter runs."""

import json
import subprocess

import pytest

from dh_project.hpc.balsam.client.models import JobRequest
from dh_project.hpc.balsam.install.environment import run_inside, variables

pytestmark = pytest.mark.balsam

UPDATE = """
import sys
from balsam.config import ClientSettings
first, second = map(int, sys.argv[1:])
client = ClientSettings.load_from_file().build_client()
changed = client.bulk_patch("jobs/", [
    {"id": first, "num_nodes": 1},
    {"id": second, "num_nodes": 1, "data": {"result": 42}},
])
print(changed, type(client).__name__)
"""


def test_an_update_of_several_jobs_loses_nothing(installation, client):
    [trial] = [app.id for app in client.apps(installation.describe().site_id) if app.name == "trial"]
    jobs = client.create_jobs([JobRequest(app_id=trial, workdir=f"bulk/{number}") for number in range(2)])
    said = subprocess.run(
        [installation.python, "-c", UPDATE, *(str(job.id) for job in jobs)],
        env=variables(installation), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["2", "PatientClient"]
    assert client.job(jobs[1].id).data == {"result": 42}
    for job in jobs:
        client.delete_job(job.id)


def test_packages_on_the_users_path_do_not_reach_balsam_but_its_jobs(installation, tmp_path, monkeypatch):
    (tmp_path / "pydantic.py").write_text("raise ImportError('another pydantic')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_inside(installation, "check.py")["balsam"] == installation.describe().balsam
    show = "import json, os, sys; print(json.dumps([os.environ['PYTHONPATH'], sys.path]))"
    said = subprocess.check_output([installation.python, "-c", show], env=variables(installation), text=True)
    inherited, path = json.loads(said)
    assert inherited == str(tmp_path)
    assert str(tmp_path) not in path


def test_another_balsam_of_the_user_does_not_get_in(installation, monkeypatch):
    monkeypatch.setenv("BALSAM_SITE_PATH", "/elsewhere")
    monkeypatch.setenv("BALSAM_LOG_DIR", "/elsewhere")
    given = variables(installation)
    assert given["BALSAM_SITE_PATH"] == str(installation.site)
    assert "BALSAM_LOG_DIR" not in given
