"""``deephyper new-problem`` as a user types it, in a project that is not installed."""

import os
import shlex
import socket
import subprocess
import sys

import pytest

from dh_project.cli import main
from dh_project.scaffold.template import in_python


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return the package of a project, as the working directory."""
    home = tmp_path / "mine/mine"
    home.mkdir(parents=True)
    (home.parent / "pyproject.toml").write_text('[tool.deephyper]\npackage = "mine"\n')
    (home / "taken.py").touch()
    monkeypatch.chdir(home)
    return home


def deephyper(*words):
    try:
        return main.main(list(words))
    except SystemExit as leaving:
        return leaving.code


def test_a_problem_stands_in_the_projects_package_wherever_one_is(home, monkeypatch, capsys):
    monkeypatch.chdir(home.parent)
    assert deephyper("new-problem", "hps", "fresh") == 0
    assert (home / "fresh/model_run.py").is_file()
    said = capsys.readouterr().out
    assert "mine/fresh/\n" in said
    assert "--problem mine.fresh.problem.Problem --run mine.fresh.model_run.run" in said


def test_a_project_that_is_not_installed_is_told_with_the_command(home, capsys):
    assert deephyper("new-problem", "hps", "fresh") == 0
    said = capsys.readouterr().out
    assert "mine is not installed from here" in said
    assert f"--editable {home.parent}" in said


def test_the_command_that_installs_a_project_can_be_copied(home, tmp_path, monkeypatch, capsys):
    moved = home.parent.rename(tmp_path / "my project")
    monkeypatch.chdir(moved / "mine")
    assert deephyper("new-problem", "hps", "fresh") == 0
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    assert shlex.split(note.partition("run: ")[2])[-1] == str(moved)


def test_job_scripts_can_be_run(home):
    assert deephyper("new-problem", "hps", "fresh") == 0
    assert all(script.stat().st_mode & 0o100 for script in (home / "fresh/jobs").iterdir())


def test_a_path_for_a_template_means_the_same_from_everywhere(home, tmp_path):
    (tmp_path / "train.py").touch()
    (home / "fresh_data").mkdir()
    options = ["--with", "script=../../train.py", "data=fresh_data"]
    assert deephyper("new-problem", "hps", "fresh", "--template", "script", *options) == 0
    assert "SCRIPT = " + in_python(str(tmp_path / "train.py")) in (home / "fresh/model_run.py").read_text()
    assert (
        f"DATA: list[str] = [{in_python(str(home / 'fresh_data'))}]"
        in (home / "fresh/load_data.py").read_text()
    )
    assert not (home / "fresh/train.py").exists()


def test_a_script_that_is_not_pythons_is_run_as_a_program(home, tmp_path):
    program = tmp_path / "train.sh"
    program.write_text('#!/bin/sh\necho "validation MAE: $2"\n')
    program.chmod(0o755)
    assert (
        deephyper("new-problem", "hps", "fresh", "--template", "script", "--with", f"script={program}") == 0
    )
    words = [sys.executable, home / "fresh/default_config.py"]
    environment = os.environ | {"PYTHONPATH": str(home.parent)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert "objective: -0.01\n" in done.stdout


def test_what_a_killed_one_has_left_is_removed_by_the_next(home):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (home / f".fresh.{socket.gethostname()}.{ended.pid}").mkdir()
    (home / f".fresh.{socket.gethostname()}.{os.getppid()}").mkdir()  # still at work
    assert deephyper("new-problem", "hps", "fresh") == 0
    assert sorted(path.name for path in home.iterdir()) == [
        f".fresh.{socket.gethostname()}.{os.getppid()}",
        "fresh",
        "taken.py",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hps", "a-b"], "problem 'a-b': Python cannot import this name"),
        (["hps", "import"], "a keyword of Python"),
        (["hps", "mine"], "problem 'mine': its project has this name"),
        (["hps", "taken"], "taken.py already exists"),
        (
            ["hps", "fresh", "--template", "tocrh"],
            "unknown template 'tocrh' (did you mean 'torch'?); valid: torch, ",
        ),
        (["hps", "fresh", "--with", "data=."], "data: the template torch has no such option; valid: none"),
        (["hps", "fresh", "--template", "cgcnn", "--with", "date=."], "did you mean 'data'"),
        (
            ["hps", "fresh", "--template", "cgcnn", "--with", "data=nowhere"],
            "data=nowhere: there is no such file",
        ),
        (["hps", "fresh", "--template", "cgcnn", "--with", "data=."], "data=.: it holds no id_prop.csv"),
        (["hps", "fresh", "--template", "script", "--with", "script"], "not of the form key=value"),
        (
            ["hps", "fresh", "--template", "script", "--with", "script=."],
            "script=.: this is no file; name one",
        ),
        (["nas", "fresh"], "DeepHyper has no architecture search any more"),
        (
            ["hps", "fresh", "--tempalte", "torch"],
            "unknown argument '--tempalte' (did you mean '--template'?)",
        ),
        (["hsp", "fresh"], "unknown 'hsp' (did you mean 'hps'?)"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(home, capsys, words, said):
    assert deephyper("new-problem", *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in home.iterdir()] == ["taken.py"]


def test_outside_of_a_project_it_says_how_to_make_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert deephyper("new-problem", "hps", "fresh") == 2
    assert "lies in no project; make one with deephyper start-project NAME" in capsys.readouterr().err


def test_the_help_names_each_template_with_what_it_may_be_told(capsys):
    assert deephyper("new-problem", "--help") == 0
    said = capsys.readouterr().out
    assert "torch      a multilayer perceptron" in said
    assert "data=…  folder of <id>.cif" in said
