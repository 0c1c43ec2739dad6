"""The script of Polaris, with fakes of PBS's commands: this machine has neither PBS nor four GPUs.

The site file of the test changes only the modules, the launcher and the disk, which do not exist here.
"""

import os

import pytest
from search_record import FAKE_PBS, SearchRecord, wait_until

SITE = """
base = "polaris"
[environment]
modules = []
setup = ['export PATH="{fakes}:$PATH"', 'export PYTHONPATH="{path}"']
[scratch]
folder = "{scratch}"
"""


@pytest.fixture
def site(own_sites, tmp_path):
    text = SITE.format(fakes=FAKE_PBS, path=os.environ.get("PYTHONPATH", ""), scratch=tmp_path)
    (own_sites / "mine.toml").write_text(text)
    return "mine"


@pytest.fixture
def words(site, tmp_path, samples):
    """A request that Polaris takes."""
    return (
        *("submit", site, "--nodes", 1, "--minutes", 5, "--queue", "debug", "--project", "mine"),
        *("--problem", samples / "small_problem.py", "--run", samples / "device_run.py"),
        *("--searcher", "random", "--log-dir", tmp_path / "search"),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_rank_has_its_device_and_the_search_goes_on_from_job_to_job(pbs, deephyper, words, tmp_path):
    """Each job of five minutes has 16 s for trials; 32 trials of two seconds on four ranks take 17 s."""
    submitted = deephyper(
        *words, "--chain", 5, "--margin", 284, "--max-evals", 32, "--run-kwargs", "seconds=2"
    )
    assert submitted.returncode == 0, submitted.stderr
    search = SearchRecord(tmp_path / "search")
    jobs = search.jobs
    assert len(jobs) == 5
    wait_until(
        lambda: all(job["state"] == "F" for job in pbs.jobs().values()),
        lambda: f"{pbs.jobs()}: {search.printed()}",
        limit=240,
    )
    sessions = len(search.of_kind("session"))
    ran = [pbs.jobs()[job].get("status") == 0 for job in jobs]
    assert ran == [True] * sessions + [False] * (5 - sessions), search.printed()
    assert 2 <= sessions < 5, search.printed()
    assert [bool(pbs.jobs()[job].get("deleted")) for job in jobs] == [not each for each in ran]
    assert search.times_ended == dict.fromkeys(range(32), 1)
    seen = {(row["m:local_rank"], row["m:device"]) for row in search.rows}
    assert seen == {("0", "3"), ("1", "2"), ("2", "1"), ("3", "0")}


@pytest.mark.slow
def test_a_job_runs_what_was_copied(pbs, deephyper, words, tmp_path, samples):
    """This holds for modules that are imported by name, too."""
    pack = tmp_path / "project" / "pack"
    pack.mkdir()
    (pack / "run.py").write_text(
        "from dh_project import record\nimport pack.model\n\n\n"
        "def run(point):\n    record(run=__file__, model=pack.model.__file__)\n    return 1.0\n"
    )
    (pack / "model.py").touch()
    more = ("--run", "pack.run.run", "--snapshot", "--max-evals", 2, "--num-evals-per-node", 1)
    submitted = deephyper(*words, *more)
    assert submitted.returncode == 0, submitted.stderr
    search = SearchRecord(tmp_path / "search")
    wait_until(
        lambda: all(job["state"] == "F" for job in pbs.jobs().values()),
        lambda: f"{pbs.jobs()}: {search.printed()}",
        limit=120,
    )
    copy = tmp_path / "search" / "code" / "pack"
    assert {(row["m:run"], row["m:model"]) for row in search.rows} == {
        (str(copy / "run.py"), str(copy / "model.py"))
    }, search.printed()


def test_a_job_that_the_scheduler_would_refuse_is_not_on_record(pbs, deephyper, words, own_sites, tmp_path):
    """For example, a site has changed its rules and the site file is outdated."""
    lines = ["-A {project}", "-l select={nodes}", "-l walltime={walltime}"]
    (own_sites / "mine.toml").write_text(f'base = "polaris"\n[directives]\nlines = {lines}\n')
    refused = deephyper(*words, "--max-evals", 4)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    assert "qsub: filesystems is mandatory here" in refused.stderr
    assert SearchRecord(tmp_path / "search").jobs == []
    assert pbs.jobs() == {}


def test_a_damaged_record_of_jobs_is_told_before_anything_is_submitted(pbs, deephyper, words, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "jobs.jsonl").write_text("nonsense\n")
    refused = deephyper(*words, "--max-evals", 4)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    assert "jobs.jsonl, line 1" in refused.stderr
    assert pbs.jobs() == {}
