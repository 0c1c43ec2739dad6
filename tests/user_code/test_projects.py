import importlib
import sys
from importlib.machinery import PathFinder

import pytest

from dh_project.common.errors import UserError
from dh_project.user_code.loading import load_run, prepare_run
from dh_project.user_code.problems import load_problem
from dh_project.user_code.projects import full_name, problems


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a project with problems, as the environment's metadata tell of one."""

    def install(package, *names):
        for name in names:
            folder = tmp_path / package / name
            folder.mkdir(parents=True)
            (folder / "__init__.py").touch()
            (folder / "model_run.py").write_text("def run(point):\n    return 2.0 * point['x']\n")
            (folder / "problem.py").write_text(
                "from dh_project import HpProblem\nProblem = HpProblem()\nProblem.add_dim('x', (0.0, 1.0))\n"
            )
        (tmp_path / package / "__init__.py").touch()
        metadata = tmp_path / f"{package}-0.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
        (metadata / "entry_points.txt").write_text(f"[dh_project.projects]\n{package} = {package}\n")
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_bare_name_is_a_problem_of_an_installed_project(install):
    install("bare_demo", "doubled")
    assert load_run("doubled")({"x": 3.0}) == 6.0
    assert load_problem("doubled").hyperparameter_names == ["x"]
    prepare_run("doubled", {})


def test_it_stands_for_the_whole_name(install):
    install("bare_demo", "doubled")
    assert full_name("doubled", "run") == "bare_demo.doubled.model_run.run"
    assert full_name("doubled", "Problem") == "bare_demo.doubled.problem.Problem"


def test_the_problems_of_this_package_have_bare_names():
    assert "cgcnn_mp" in problems("dh_project")
    assert full_name("cgcnn_mp", "run") == "dh_project.cgcnn_mp.model_run.run"


def test_a_name_that_no_project_has_is_told_with_near_ones(install):
    install("bare_demo", "doubled")
    with pytest.raises(
        UserError,
        match=r"'double' is not a Python object .*\(did you mean 'doubled'\?\).*: cgcnn_mp, doubled",
    ):
        load_run("double")


def test_a_name_that_two_projects_have_is_not_guessed(install):
    install("bare_demo", "doubled")
    install("bare_other", "doubled")
    with pytest.raises(
        UserError, match=r"bare_demo\.doubled\.model_run\.run, bare_other\.doubled\.model_run"
    ):
        load_run("doubled")


def test_a_project_that_was_taken_away_is_passed_over(install, tmp_path):
    install("bare_demo", "doubled")
    (tmp_path / "bare_demo").rename(tmp_path / "elsewhere")
    importlib.invalidate_caches()
    with pytest.raises(UserError, match="is not a Python object"):
        load_run("doubled")


def test_a_problem_of_two_projects_is_offered_once(install):
    install("bare_demo", "doubled")
    install("bare_other", "doubled")
    with pytest.raises(UserError) as raised:
        load_run("something")
    assert str(raised.value).count("doubled") == 1


def test_the_folder_around_a_projects_package_does_not_hide_it(install, tmp_path, monkeypatch):
    """The working directory is searched first, and an editable package is found after all folders."""
    install("bare_demo", "doubled")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bare_demo").rename(tmp_path / "elsewhere/bare_demo")
    (tmp_path / "bare_demo").mkdir()

    class Editable:
        """As setuptools installs one."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            return PathFinder.find_spec(name, [str(tmp_path / "elsewhere")]) if name == "bare_demo" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable])
    assert full_name("doubled", "run") == "bare_demo.doubled.model_run.run"


def test_a_module_in_place_of_what_is_in_it_is_told_with_the_whole_name(install):
    install("bare_demo", "doubled")
    with pytest.raises(
        UserError, match=r"is a module; name an object in it, such as bare_demo\.doubled\.model_run\.run$"
    ):
        load_run("bare_demo.doubled")
    with pytest.raises(UserError, match=r"as bare_demo\.doubled\.model_run\.run$"):
        load_run("bare_demo.doubled.model_run")
    with pytest.raises(UserError, match=r"as bare_demo\.doubled\.problem\.Problem$"):
        load_problem("bare_demo.doubled")


def test_a_module_in_place_of_what_is_in_it_that_cannot_be_imported_says_why(install, tmp_path):
    install("bare_demo", "doubled")
    (tmp_path / "bare_demo/doubled/model_run.py").write_text("import nowhere\n")
    with pytest.raises(UserError, match=r"bare_demo\.doubled\.model_run cannot be imported: .*'nowhere'"):
        load_run("bare_demo.doubled.model_run")
