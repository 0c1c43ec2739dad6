"""Projects: made and installed whole or not at all, and found from within."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import dh_project
from dh_project.common.errors import UserError
from dh_project.scaffold.project import Project, find_project


def test_a_project_is_installed_where_it_stands(environment, project, tmp_path):
    (project / "seven.py").write_text("VALUE = 7\n")
    done = environment.run(
        environment.python, "-c", "from demo.seven import VALUE; print(VALUE)", cwd=tmp_path
    )
    assert done.stdout == "7\n"


def test_the_folder_around_its_package_does_not_hide_it(environment, project):
    (project / "eight.py").write_text("VALUE = 8\n")
    asked = "import demo; from demo.eight import VALUE; print(VALUE, demo.__file__)"
    done = environment.run(environment.python, "-c", asked, cwd=project.parents[1])
    assert done.stdout == f"8 {project / '__init__.py'}\n"


def test_the_new_files_are_printed_with_the_next_command(environment, tmp_path):
    said = environment.run("deephyper", "start-project", "shown", cwd=tmp_path).stdout
    assert (
        "shown/\n    .gitignore\n    README.rst\n    pyproject.toml\n    shown/\n        __init__.py\n"
        in said
    )
    assert "cd shown/shown && deephyper new-problem hps NAME" in said


def test_a_project_is_found_from_each_of_its_folders(own_project):
    (own_project / "deep/deeper").mkdir(parents=True)
    for folder in (own_project.parent, own_project, own_project / "deep/deeper"):
        assert find_project(folder) == Project(own_project.parent, "mine")


def test_the_nearest_project_is_meant(own_project):
    inner = own_project / "inner"
    (inner / "inner").mkdir(parents=True)
    (inner / ".deephyper").touch()  # as old DeepHyper marks its own
    assert find_project(inner).home == inner / "inner"


def test_this_clone_is_a_project_whose_problem_is_cgcnn():
    package = Path(dh_project.__file__).parent
    home = find_project(package / "cgcnn_mp").home
    assert home == package
    assert (home / "cgcnn_mp/problem.py").is_file()


def test_settings_that_cannot_be_read_are_named(own_project):
    (own_project.parent / "pyproject.toml").write_text("[tool\n")
    with pytest.raises(UserError, match=r"pyproject\.toml cannot be read: .*; mend it first"):
        find_project(own_project)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a-b", "Python cannot import this name"),
        ("1st", "Python cannot import this name"),
        ("class", "a keyword of Python"),
        ("_own", "pip cannot install this name"),
        ("josé", "pip cannot install this name"),
        ("json", "a module of this name is installed"),
        ("torch", "a module of this name is installed"),
        ("scikit_learn", "it would take the place of the distribution scikit_learn"),
        ("there", "already exists; choose another name"),
        ("n" * 101, "101 characters; use 100 at most"),
        ("no/folder", "there is no folder"),
        ("dh_project", "its clone already is a project: go into"),
    ],
)
def test_a_name_that_cannot_be_is_one_line_and_nothing_is_made(environment, tmp_path, name, said):
    (tmp_path / "there").mkdir()
    done = environment.run(
        "deephyper", "start-project", name, cwd=tmp_path, check=False, PYTHONIOENCODING="utf-8"
    )
    assert done.returncode == 2
    assert said in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert os.listdir(tmp_path) == ["there"]  # noqa: PTH208


def test_where_pip_fails_nothing_is_left(environment, tmp_path):
    words = ("deephyper", "start-project", "fresh")
    done = environment.run(*words, cwd=tmp_path, check=False, PIP_CONSTRAINT="/no/such/file")
    assert done.returncode == 2
    assert "the project fresh could not be installed, and was removed" in done.stdout
    assert "/no/such/file" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert not list(tmp_path.iterdir())
    asked = [environment.python, "-c", "import fresh"]
    assert subprocess.run(asked, cwd=tmp_path, capture_output=True, check=False).returncode == 1


@pytest.fixture
def slow_pip(environment, tmp_path):
    """Return environment variables with a pip that reports its start and then waits."""
    (tmp_path / "slow/pip").mkdir(parents=True)
    (tmp_path / "slow/pip/__init__.py").touch()
    (tmp_path / "slow/pip/__main__.py").write_text(
        "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(600)\n"
    )
    return environment.variables | {
        "PYTHONPATH": f"{tmp_path / 'slow'}:{environment.variables['PYTHONPATH']}"
    }


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_one_that_was_killed_while_pip_was_at_work_is_made_by_the_same_command(
    environment, slow_pip, tmp_path, way
):
    (tmp_path / "here").mkdir()
    words = [environment.python.with_name("deephyper"), "start-project", f"ended_by_{way.name.lower()}"]
    program = subprocess.Popen(
        words, cwd=tmp_path / "here", env=slow_pip, start_new_session=True, stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "here/begun").exists():
        assert program.poll() is None
        time.sleep(0.01)
    os.killpg(program.pid, way)
    program.wait()
    said = environment.run(*words, cwd=tmp_path / "here").stdout
    assert "installed  ended_by" in said
    refused = environment.run(*words, cwd=tmp_path / "here", check=False)
    assert refused.returncode == 2
    assert "already exists" in refused.stdout


def test_one_whose_folder_was_removed_can_be_made_there_again_and_not_elsewhere(environment, tmp_path):
    environment.run("deephyper", "start-project", "removed", cwd=tmp_path)
    shutil.rmtree(tmp_path / "removed")
    (tmp_path / "elsewhere").mkdir()
    done = environment.run("deephyper", "start-project", "removed", cwd=tmp_path / "elsewhere", check=False)
    assert "it would take the place of the distribution removed 0.1.0" in done.stdout
    assert (
        "installed  removed" in environment.run("deephyper", "start-project", "removed", cwd=tmp_path).stdout
    )


def test_a_folder_of_another_owner_is_not_changed(environment, tmp_path):
    environment.run("deephyper", "start-project", "own", cwd=tmp_path)
    environment.run(environment.python, "-m", "pip", "uninstall", "--yes", "own", cwd=tmp_path)
    (tmp_path / "own/own/__init__.py").write_text("VALUE = 7\n")
    done = environment.run("deephyper", "start-project", "own", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "already exists; choose another name" in done.stdout


def test_a_folder_that_cannot_be_written_is_named(environment):
    done = environment.run("deephyper", "start-project", "demo_in_proc", cwd="/proc", check=False)
    assert done.returncode == 1
    assert done.stdout == "deephyper: error: /proc/demo_in_proc: No such file or directory\n"
