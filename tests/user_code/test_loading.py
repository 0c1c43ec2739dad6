import json
import sys

import pytest

from dh_project.common.errors import UserError
from dh_project.user_code.importing import load_attribute
from dh_project.user_code.loading import check_run_kwargs, load_run


def test_a_dotted_name_and_a_path_give_the_object(samples):
    assert load_run(str(samples / "small_run.py"))({"x": 3.0}) == 0.0
    assert load_attribute("os.path.join", "run")("a", "b") == "a/b"


def test_what_stands_beside_a_file_can_be_imported_by_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "beside_the_run.py").write_text("VALUE = 5.0\n")
    (tmp_path / "run_with_helper.py").write_text(
        "from beside_the_run import VALUE\ndef run(point):\n    return VALUE\n"
    )
    assert load_run(str(tmp_path / "run_with_helper.py"))({}) == 5.0


def test_a_file_named_like_a_module_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "json.py").write_text("def run(point):\n    return 1.0\n")
    assert load_run(str(tmp_path / "json.py"))({}) == 1.0
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_package.module.run", "no module 'no_such_package'"),
        ("dh_project.cgcnn_mp.no_such_module.run", "no module 'dh_project.cgcnn_mp.no_such_module'"),
        ("os.path.joint", "did you mean 'join'"),
        ("no/such/file.py", "no file"),
        ("justaword", "is not a Python object"),
    ],
)
def test_what_is_not_there_is_named(target, said):
    with pytest.raises(UserError, match=said):
        load_run(target)


def test_what_cannot_be_called_is_no_run_function():
    with pytest.raises(UserError, match="cannot be called"):
        load_run("os.sep")


def test_an_import_of_old_deephyper_names_the_new_one(tmp_path):
    (tmp_path / "old_problem.py").write_text("from deephyper.problem import HpProblem\n")
    with pytest.raises(UserError, match="from dh_project import HpProblem"):
        load_attribute(str(tmp_path / "old_problem.py"), "Problem")


def test_an_error_in_the_module_names_its_place(tmp_path):
    (tmp_path / "broken_run.py").write_text("\n\n1 / 0\n")
    with pytest.raises(UserError, match=r"ZeroDivisionError.*broken_run.py:3"):
        load_run(str(tmp_path / "broken_run.py"))


def test_run_kwargs_are_checked_against_the_signature(samples):
    target = str(samples / "small_run.py")
    check_run_kwargs(target, load_run(target), {"seconds": 1})
    with pytest.raises(UserError, match="did you mean 'seconds'"):
        check_run_kwargs(target, load_run(target), {"second": 1})
