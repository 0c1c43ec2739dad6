"""``deephyper sites`` with a real server."""

import json

import pytest
from agentless_site import AgentlessSite

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.models import BatchState

pytestmark = pytest.mark.balsam


@pytest.fixture
def site(client, tmp_path):
    site = AgentlessSite(client, tmp_path / "site")
    yield site
    site.remove()


def test_each_queue_of_a_site_is_told_with_its_limits_and_batch_jobs(installation, site, tmp_path):
    site.batch_job(BatchState.QUEUED, 21)
    site.batch_job(BatchState.RUNNING, 22)
    assert main(["sites", "--site", str(installation.folder), "--output", str(tmp_path / "sites.json")]) == 0
    rows = [row for row in json.loads((tmp_path / "sites.json").read_text()) if row["site"] == site.name]
    assert [(row["queue"], row["max_nodes"], row["queued"], row["running"]) for row in rows] == [
        ("debug", 4, 1, 1),
        ("prod", 99, 0, 0),
    ]
    assert {(row["scheduler"], row["file"], row["projects"]) for row in rows} == {
        ("balsam", str(site.path), "gold iron")
    }


def test_the_terminal_tells_how_long_ago_a_site_was_heard_of(installation, site, capsys):
    assert main(["sites", "--site", str(installation.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith(f"{site.name}:")]
    assert "s ago" in lines[place + 2]
