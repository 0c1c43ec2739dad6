"""The Python environment that a job activates."""

import json
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import dh_project
from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.environment import find_environment, what_is_missing


@pytest.fixture
def environment(tmp_path):
    """A virtual environment that has this package, in a folder with a space."""
    folder = tmp_path / "my env"
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / "here.pth").write_text(str(Path(dh_project.__file__).parents[1]))
    return folder


@pytest.fixture
def conda(tmp_path, monkeypatch, command_on_path):
    """A fake conda with the environments base and dh, which are virtual environments; there is no conda here."""
    base = tmp_path / "conda"
    for folder in (base, base / "envs" / "dh"):
        venv.create(folder, with_pip=False)
        (folder / "conda-meta").mkdir()
        (next(folder.glob("lib/python3*/site-packages")) / "here.pth").write_text(
            str(Path(dh_project.__file__).parents[1])
        )
    known = json.dumps({"envs": [str(base), str(base / "envs" / "dh")]})
    command_on_path("conda", f"echo {shlex.quote(known)}")
    monkeypatch.delenv("CONDA_EXE", raising=False)
    return base


def prefix_after(lines):
    """Return the prefix of the Python that a script finds after these lines."""
    script = "\n".join([*lines, "python -c 'import sys; print(sys.prefix)'"])
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_by_default_it_is_the_one_at_hand():
    assert prefix_after(find_environment(None).lines) == sys.prefix


def test_a_virtual_environment_is_entered(environment):
    assert prefix_after(find_environment(str(environment)).lines) == str(environment)


def test_a_relative_folder_is_found_from_everywhere(environment, monkeypatch):
    monkeypatch.chdir(environment.parent)
    assert find_environment("my env").folder == environment


@pytest.mark.parametrize("name", ["dh", "base"])
def test_an_environment_of_conda_is_found_by_name(conda, name):
    folder = conda if name == "base" else conda / "envs" / name
    found = find_environment(name)
    assert (found.folder, found.lines[-1]) == (folder, f"conda activate {folder}")


def test_conda_is_made_known_to_the_script(conda):
    (conda / "etc" / "profile.d").mkdir(parents=True)
    (conda / "etc" / "profile.d" / "conda.sh").touch()
    assert find_environment("dh").lines[0] == f"source {conda}/etc/profile.d/conda.sh"


def test_an_environment_file_names_one(conda, tmp_path):
    (tmp_path / "environment.yml").write_text("name: dh\ndependencies: [python]\n")
    assert find_environment(str(tmp_path / "environment.yml")).folder == conda / "envs" / "dh"


def test_one_that_is_not_made_yet_is_told_with_the_command_that_makes_it(conda, tmp_path):
    (tmp_path / "environment.yml").write_text("name: other\n")
    with pytest.raises(
        UserError, match="no conda environment 'other' yet; make it here, once: conda env create --file"
    ):
        find_environment(str(tmp_path / "environment.yml"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/no/such/folder", "there is no such folder"),
        ("dhh", "did you mean 'dh'?"),
        ("environment.yml", "No such file or directory"),
        ("nameless.yml", "does not say the environment's name"),
        ("broken.yml", "this is not YAML"),
        ("empty", "neither a virtual environment"),
    ],
)
def test_what_is_no_environment_is_refused(conda, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "nameless.yml").write_text("dependencies: [python]\n")
    (tmp_path / "broken.yml").write_text("name: [\n")
    with pytest.raises(UserError) as refused:
        find_environment(name)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_environment_file_without_conda_is_not_said_to_be_missing(tmp_path, monkeypatch):
    (tmp_path / "environment.yml").write_text("name: dh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONDA_EXE", raising=False)
    with pytest.raises(UserError, match="no conda here to look up the environment 'dh'"):
        find_environment(str(tmp_path / "environment.yml"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(environment):
    found = find_environment(str(environment))
    assert what_is_missing(str(environment), found, "json") is None
    said = what_is_missing(str(environment), found, "no_such_package")
    assert f"has no no_such_package; install: {environment}/bin/python -m pip install no_such_package" in said


def test_this_project_is_installed_from_its_checkout(tmp_path):
    folder = tmp_path / "bare"
    venv.create(folder, with_pip=False)
    said = what_is_missing(str(folder), find_environment(str(folder)), "json")
    assert said.endswith(f"pip install {Path(dh_project.__file__).parents[1]}")
