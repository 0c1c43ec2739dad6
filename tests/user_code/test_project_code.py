"""Names, code and data of a project do not depend on its location."""

import shutil
import sys

import pytest

from dh_project.common.errors import UserError
from dh_project.user_code.importing import load_attribute, load_module
from dh_project.user_code.project_code import code_of, content_hash, data_of, name_of, with_absolute_paths


@pytest.fixture(autouse=True)
def fresh_imports(monkeypatch):
    """Forget the modules that a test imports."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def project(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def code_in(folder):
    load_module(str(folder / "go.py"))
    try:
        return code_of([str(folder / "go.py")])
    finally:
        for name in ("go", "file_go", "helper_of_go"):
            sys.modules.pop(name, None)
        sys.path.remove(str(folder))


def test_a_file_is_named_by_its_package_or_by_its_own_name(tmp_path):
    project(
        tmp_path, {"demo/__init__.py": "", "demo/net/__init__.py": "", "demo/net/run.py": "", "alone.py": ""}
    )
    assert name_of(str(tmp_path / "demo/net/run.py:train"), "run") == "demo.net.run.train"
    assert name_of(str(tmp_path / "alone.py"), "run") == "alone.py:run"
    assert name_of("demo.net.run.run", "run") == "demo.net.run.run"


def test_the_hash_of_the_code_changes_with_the_code_and_not_with_its_place(tmp_path):
    files = {
        "go.py": "import helper_of_go\nrun = helper_of_go.run\n",
        "helper_of_go.py": "def run(point): ...\n",
    }
    one = code_in(project(tmp_path / "one", files))
    shutil.copytree(tmp_path / "one", tmp_path / "renamed", ignore=shutil.ignore_patterns("__pycache__"))
    assert code_in(tmp_path / "renamed") == one
    (tmp_path / "renamed" / "helper_of_go.py").write_text("def run(point): return 1.0\n")
    assert code_in(tmp_path / "renamed") != one
    (tmp_path / "one" / "stranger.py").write_text("# imported by nobody\n")
    assert code_in(tmp_path / "one") == one


def test_a_run_module_declares_which_arguments_are_data(tmp_path):
    text = "from dh_project import content_hash\nfrom pathlib import Path\n"
    text += "def identify_data(data, **others):\n    return {'data': content_hash(Path(data))}\n"
    project(
        tmp_path,
        {"declares.py": text, "silent.py": "", "one/a.txt": "1", "two/a.txt": "1", "three/a.txt": "2"},
    )
    found = [
        data_of(str(tmp_path / "declares.py"), {"data": str(tmp_path / name), "epochs": 2})
        for name in ("one", "two", "three")
    ]
    assert found[0] == found[1] != found[2]
    assert data_of(str(tmp_path / "silent.py"), {"data": "x"}) == {}
    with pytest.raises(UserError, match="identify_data"):
        data_of(str(tmp_path / "declares.py"), {})


def test_paths_of_data_become_absolute_and_nothing_else(tmp_path, monkeypatch):
    project(tmp_path, {"data/a.txt": "", "flla.txt": ""})
    monkeypatch.chdir(tmp_path)
    given = {"data": "data", "other": "data", "several": ["data", "none"], "name": "flla"}
    assert with_absolute_paths(given, ["data", "several", "name", "missing"]) == {
        **given,
        "data": str(tmp_path / "data"),
        "several": [str(tmp_path / "data"), "none"],
    }


def test_a_hash_of_a_folder_knows_names_and_contents_and_not_hidden_files(tmp_path):
    folder = project(tmp_path, {"a/x.txt": "1", "a/y.txt": "2"}) / "a"
    before = content_hash(folder)
    (folder / ".hidden").write_text("3")
    assert content_hash(folder) == before
    (folder / "y.txt").rename(folder / "z.txt")
    assert content_hash(folder) != before


def test_a_package_that_is_not_installed_is_found_near_the_working_directory(tmp_path, monkeypatch):
    project(tmp_path / "renamed", {"near_demo/__init__.py": "", "near_demo/net/__init__.py": "run = len\n"})
    monkeypatch.chdir(tmp_path / "renamed" / "near_demo" / "net")
    assert load_attribute("near_demo.net.run", "run") is len


def test_a_package_that_is_nowhere_is_refused_with_what_to_do_after_a_move(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"there is no module .*moved or renamed, run pip install -e \."):
        load_attribute("far_demo.net.run", "run")


def test_files_of_two_folders_each_import_the_neighbour_of_their_own(tmp_path):
    for name in ("one", "two"):
        project(tmp_path / name, {f"main_{name}.py": "import shared_name\nNAME = shared_name.NAME\n"})
        (tmp_path / name / "shared_name.py").write_text(f"NAME = {name!r}\n")
    names = [load_attribute(str(tmp_path / name / f"main_{name}.py:NAME"), "NAME") for name in ("one", "two")]
    assert names == ["one", "two"]
