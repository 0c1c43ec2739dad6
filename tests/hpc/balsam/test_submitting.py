"""Submitting to a real site: a refused submission leaves nothing behind, and an unfinished one is undone."""

import signal
import subprocess
import sys
import time
from uuid import uuid4

import pytest
from searches import SAMPLES, SMALL, SubmittedSearch, deephyper, environment_of

from dh_project.hpc.balsam.client.client import BalsamClient, Unavailable
from dh_project.hpc.balsam.client.models import BatchState
from dh_project.hpc.balsam.jobs.submission import Over
from dh_project.trial.trial import State

pytestmark = [pytest.mark.balsam, pytest.mark.timeout(300)]

BATCH = ("-t", 10, "-q", "local", "-n", 1, "-A", "local", "-j", "serial", "--max-evals", 2)


@pytest.fixture(autouse=True)
def nothing_is_left_running(client):
    """Delete the workflows' batch jobs after each test: their launchers would idle for a minute."""
    yield
    for batch_job in client.batch_jobs(states=[BatchState.QUEUED, BatchState.RUNNING]):
        if batch_job.filter_tags.get("workflow", "").startswith("submitting"):
            client.delete_batch_job(batch_job.id)


@pytest.fixture
def settings(installation):
    """Return a function that writes the site's settings, which are removed after the test."""
    yield installation.settings_file.write_text
    installation.settings_file.unlink(missing_ok=True)


@pytest.fixture
def refused(installation, client):
    """Return a function that runs a refused submission, and returns the error line."""

    def present():
        folders = sorted(str(path) for path in installation.data.glob("submitting*/*"))
        return [len(client.jobs(tags={"kind": "search"})), len(client.batch_jobs()), folders]

    def refused(*more, workflow="submitting_no"):
        before = present()
        words = [sys.executable, "-m", "dh_project.cli.main", "balsam-submit", "hps", workflow, *SMALL, *more]
        done = subprocess.run(
            [str(word) for word in words], env=environment_of(installation), capture_output=True, text=True
        )
        assert done.returncode == 2, done.stdout + done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert present() == before
        return done.stderr

    return refused


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("-q", "locl"), "did you mean 'local'?"),
        (("-n", 2), "queue local takes 1 node, not 2"),
        (("-t", 2000), "queue local takes at most 1440 minutes, not 2000"),
        (("-A", "lokal"), "did you mean 'local'?"),
        (("--num-evals-per-node", 500), "--num-evals-per-node"),
        (("--num-nodes-per-eval", 2), "needs -j mpi"),
        (("--site", "nowhere"), "unknown site or Balsam folder 'nowhere'"),
        (("--resume",), "unknown workflow 'submitting_no'"),
    ],
)
def test_what_the_site_does_not_give(refused, more, said):
    assert said in refused(*BATCH, *more)


def test_a_site_that_demands_a_project(refused):
    assert "it has: local" in refused("-t", 10, "-q", "local", "-n", 1, "-j", "serial")


def test_a_data_place_that_is_gone(refused, settings, tmp_path):
    settings(f'[data]\ncrystals = "{tmp_path / "gone"}"\n')
    assert "gone is not there" in refused(*BATCH, "--run-kwargs", "scale=crystals")


def test_what_the_sites_agent_refuses_is_told_and_taken_back(installation, client):
    """The server lists a queue that the agent does not know."""
    number = installation.describe().site_id
    [site] = [site for site in client.sites() if site.id == number]
    queues = site.allowed_queues
    client.update_site(number, allowed_queues={**queues, "ghost": queues["local"]})
    try:
        words = ("balsam-submit", "hps", "submitting_ghost", *SMALL, *BATCH, "-q", "ghost")
        assert "Unknown queue ghost" in deephyper(installation, *words, wanted=2)
    finally:
        client.update_site(number, allowed_queues=queues)
    assert client.jobs(tags={"workflow": "submitting_ghost"}) == []
    assert not (installation.data / "submitting_ghost").exists()


def test_the_search_is_undone_if_the_batch_job_cannot_be_made(installation, client, monkeypatch, capsys):
    from dh_project.cli.main import main

    def fail(self, request):
        raise Unavailable("the server went away")

    for name, value in environment_of(installation).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(BalsamClient, "create_batch_job", fail)
    assert main(["balsam-submit", "hps", "submitting_half", *map(str, [*SMALL, *BATCH])]) == 2
    assert "the server went away" in capsys.readouterr().err
    assert client.jobs(tags={"workflow": "submitting_half"}) == []
    assert not (installation.data / "submitting_half").exists()


def test_a_dry_run_shows_all_and_makes_nothing(installation, client):
    said = deephyper(installation, "balsam-submit", "hps", "submitting_dry", *SMALL, *BATCH, "--dry-run")
    assert "'workflow': 'submitting_dry'" in said
    assert "Nothing was submitted." in said
    assert client.jobs(tags={"workflow": "submitting_dry"}) == []
    assert not (installation.data / "submitting_dry").exists()


def test_a_search_is_followed_to_its_end_and_gone_on_with(installation, settings, tmp_path):
    crystals, work, outputs = tmp_path / "crystals", tmp_path / "work", tmp_path / "outputs"
    crystals.mkdir()
    (crystals / "a.cif").write_text("NaCl")
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "def run(point, data):\n    return float(len((Path(data) / 'a.cif').read_text()))\n"
    )
    settings(f'work_directory = "{work}"\noutputs = "{outputs}"\n[data]\nshelf = "{crystals}"\n')
    what = ("-p", SAMPLES / "small_problem.py", "-r", tmp_path / "mine.py", "--run-kwargs", "data=shelf")
    search = SubmittedSearch(installation, "submitting", "--max-evals", 2, "--wait", what=what)

    lines = search.said.splitlines()
    submitted = next(number for number, line in enumerate(lines) if line.startswith("Submit OK: BatchJob {"))
    assert lines[:submitted] == [
        "Validating Problem and run...OK",
        "Staging data...OK",
        "Bootstrapping apps...OK",
        "Creating HPS(AMBS) BalsamJob...OK",
        "Performing job submission...",
    ]
    [brought] = outputs.iterdir()
    banner = lines.index(f"Success. The search will run at: {search.folder}")
    assert lines[banner + 1] == f"Results will be copied to: {brought}"
    assert set(lines[banner - 1]) == set(lines[banner + 2]) == {"*"}
    assert sum(line.startswith("trial ") for line in lines) == 2
    assert "best configuration" in lines

    history = search.history()
    assert [trial.objective for trial in history.ended] == [4.0, 4.0]
    assert history.identity.run_kwargs["data"].startswith(f"{work}/inputs/")
    assert search.folder.resolve().is_relative_to(work)
    assert brought.name.startswith(f"{search.workflow}-20")
    assert (brought / "results.csv").read_text() == search.paths.results.read_text()

    again = ("balsam-submit", "hps", search.workflow, "--resume")
    assert "all 2 trials have ended already" in deephyper(installation, *again, wanted=2)
    other = deephyper(installation, *again, "--run-kwargs", f"data={tmp_path}", "--max-evals", 3, wanted=2)
    assert "another search: --run-kwargs" in other
    more = search.submit("--resume", "--max-evals", 3, "--wait")
    assert more.count("\ntrial ") == 1
    assert [trial.state for trial in search.history().ended] == [State.DONE] * 3
    assert (brought / "results.csv").read_text() == search.paths.results.read_text()


def test_ctrl_c_ends_the_following_and_not_the_search(installation):
    workflow = f"submitting_{uuid4().hex[:6]}"
    words = ["balsam-submit", "hps", workflow, *SMALL, *BATCH, "--run-kwargs", "seconds=3", "--wait"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dh_project.cli.main", *map(str, words)],
        env=environment_of(installation),
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "RUNNING" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "the search continues" in rest

    running = deephyper(installation, "balsam-submit", "hps", workflow, "--resume", wanted=2)
    assert "there is nothing to resume" in running
    [folder] = (installation.data / workflow).iterdir()
    for _ in range(240):
        if Over.read(folder) is not None:
            break
        time.sleep(0.5)
    assert Over.read(folder).status == 0
