"""Batch jobs of ``deephyper submit``: the list of searches, and the table with their states and progress."""

import json

import pytest

from dh_project.hpc.batch_jobs.job_table import LEFT, job_table
from dh_project.hpc.batch_jobs.record import JOBS, BatchJob, record_job
from dh_project.hpc.batch_jobs.searches_file import remember_search, remembered_searches, searches_file


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state folder of this test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def search(tmp_path):
    """A folder from which two jobs were submitted."""
    folder = tmp_path / "search"
    folder.mkdir()
    for name, after in (("12", None), ("13", "12")):
        job = BatchJob(job=name, site="alps", scheduler="slurm", queue="q", nodes=2, minutes=60, after=after)
        record_job(folder, job)
    return folder


def test_a_search_is_remembered_once(search):
    remember_search(search)
    remember_search(search)
    assert remembered_searches() == [search]
    assert len(searches_file().read_text().splitlines()) == 1


def test_a_search_whose_folder_is_gone_is_not_listed(search):
    remember_search(search)
    (search / JOBS).unlink()
    assert remembered_searches() == []


def test_a_torn_line_of_the_list_is_passed_over(search):
    remember_search(search)
    searches_file().write_text('"/tor\n' + json.dumps(str(search)) + "\n")
    assert remembered_searches() == [search]


def test_jobs_have_the_states_that_the_scheduler_tells(search, command_on_path):
    command_on_path("squeue", "echo 13 PENDING")
    table = job_table([search])
    assert [(row["id"], row["state"], row["after"]) for row in table.rows] == [
        ("13", "pending", "12"),
        ("12", LEFT, None),
    ]
    assert table.warnings == []


def test_a_scheduler_that_is_elsewhere_leaves_the_states_open(search, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    table = job_table([search])
    assert [row["state"] for row in table.rows] == [None, None]
    [warning] = table.warnings
    assert "the states of jobs at alps are not known here: squeue: not on this machine" in warning


def test_one_damaged_record_does_not_hide_the_other_searches(search, tmp_path, command_on_path):
    command_on_path("squeue", "true")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / JOBS).write_text("nonsense\n")
    table = job_table([damaged, search])
    assert len(table.rows) == 2
    assert "line 1" in table.warnings[0]
