"""``deephyper tasks show`` and ``deephyper sites`` without a Balsam server."""

import json
import os

import pytest

from dh_project.cli.main import main
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE
from dh_project.hpc.batch_jobs.record import BatchJob, record_job
from dh_project.hpc.batch_jobs.searches_file import remember_search


@pytest.fixture(autouse=True)
def no_balsam(tmp_path, monkeypatch):
    """No Balsam folder is activated, no search was submitted, and there are no site files of the user's."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DH_PROJECT_SITES", str(tmp_path / "sites"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A folder on PATH that holds nothing yet, and no other folder."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    return folder


def put(folder, name, body):
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def search(tmp_path, samples, monkeypatch):
    """A search of which three of five trials have ended, and a job of which is on record."""
    monkeypatch.chdir(samples)
    words = ["--problem", "small_problem.py", "--run", "small_run.py", "--log-dir", str(tmp_path / "search")]
    search = ["hps", "random", "--evaluator", "process", "--num-workers", "1", *words]
    assert main([*search, "--max-evals", "3"]) == 0
    folder = tmp_path / "search"
    record_job(folder, BatchJob(job="12", site="slurm", scheduler="slurm", queue=None, nodes=2, minutes=60))
    remember_search(folder)
    return folder


def shown(capsys, *words, status=0):
    capsys.readouterr()
    assert main(list(map(str, words))) == status
    return capsys.readouterr()


def test_a_batch_job_is_shown_with_its_state_and_the_progress_of_its_search(search, commands, capsys):
    put(commands, "squeue", "echo 12 RUNNING")
    out = shown(capsys, "tasks", "show").out
    [line] = [line for line in out.splitlines() if line.startswith("12 ")]
    assert "slurm" in line
    assert "running" in line
    assert "3 of 3" in line
    assert str(search) in line


def test_without_balsam_the_list_says_so_in_one_line(capsys):
    lines = shown(capsys, "tasks", "show").out.splitlines()
    assert lines[0] == "Batch jobs of deephyper submit: none"
    assert lines[1].startswith("Balsam: no folder is activated")
    assert len(lines) == 2


def test_batch_jobs_are_written_to_a_file(search, commands, capsys, tmp_path):
    put(commands, "squeue", "true")
    shown(capsys, "tasks", "show", "--log-dir", search, "--output", tmp_path / "jobs.json")
    [row] = json.loads((tmp_path / "jobs.json").read_text())
    assert (row["id"], row["state"], row["ended"], row["search"]) == ("12", "left the queue", 3, str(search))


def test_jobs_submitted_before_the_days_that_are_asked_for_are_left_out(search, commands, capsys):
    put(commands, "squeue", "true")
    assert "none within these days" in shown(capsys, "tasks", "show", "--days", "0.0000001").out


def test_a_folder_from_which_nothing_was_submitted_is_refused(tmp_path, capsys):
    errors = shown(capsys, "tasks", "show", "--log-dir", tmp_path, status=2).err
    assert "no batch jobs were submitted from here" in errors


def test_a_filter_of_the_one_kind_and_a_folder_of_the_other_are_refused(tmp_path, capsys):
    errors = shown(capsys, "tasks", "show", "--log-dir", tmp_path, "--workflow", "w", status=2).err
    assert "--workflow Balsam jobs; give one" in errors


def test_the_sites_of_this_program_are_listed_with_their_limits(capsys):
    out = shown(capsys, "sites").out
    assert "polaris: Polaris (ALCF), pbs" in out
    [line] = [line for line in out.splitlines() if line.startswith("preemptable")]
    assert "1 to 10" in line
    assert "5 to 4320" in line
    assert out.splitlines()[-1].startswith("Balsam: no folder is activated")


def test_a_site_file_of_the_users_is_listed_with_its_path(tmp_path, capsys):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "lab.toml").write_text(
        'base = "slurm"\ntitle = "our lab"\n[queues.gpu]\nmax_nodes = 3\n'
    )
    out = shown(capsys, "sites").out
    assert "lab: our lab, slurm" in out
    assert str(tmp_path / "sites" / "lab.toml") in out


def test_a_site_file_that_is_wrong_does_not_hide_the_others(tmp_path, capsys):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "lab.toml").write_text("schedular = 1\n")
    said = shown(capsys, "sites")
    assert "lab.toml" in said.err
    assert "polaris" in said.out


def test_this_machine_is_the_one_that_has_the_scheduler_and_the_name(commands, capsys, monkeypatch, tmp_path):
    put(commands, "sbatch", "true")
    monkeypatch.setenv("NERSC_HOST", "perlmutter")
    shown(capsys, "sites", "--output", tmp_path / "sites.json")
    rows = json.loads((tmp_path / "sites.json").read_text())
    assert {row["site"] for row in rows if row["here"]} == {"slurm", "perlmutter"}
