"""Templates: finding them, missing requirements, and rendering."""

import pytest

from dh_project.common.errors import UserError
from dh_project.scaffold import problem as problems
from dh_project.scaffold.problem import new_problem
from dh_project.scaffold.project import find_project
from dh_project.scaffold.template import Template, load_template, render, template_names


def test_the_tutorials_template_is_the_first():
    assert template_names()[0] == "torch"
    assert {"cgcnn", "script", "sklearn", "torch"} <= set(template_names())


def test_missing_requirements_are_named_with_the_command_that_installs_them(own_project):
    template = Template("lightning", "", needs=["no_such_module"], extra="lightning")
    with pytest.raises(UserError, match=r"needs no_such_module, .*pip install 'dh_project\[lightning\]'"):
        new_problem(find_project(own_project), "fresh", template)
    assert not list(own_project.iterdir())


def test_a_file_of_the_template_takes_the_place_of_the_shared_one(tmp_path):
    for folder, text in (("own", "of {{ x }}'s own"), ("shared", "shared")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_NAME.py.j2").write_text(text)
    (tmp_path / "shared/b.py.j2").write_text("{{ x | repr }}\n")
    (tmp_path / "own/empty.py.j2").write_text("{% if not x %}something{% endif %}\n")
    texts = render([tmp_path / "own", tmp_path / "shared"], "mine", {"x": "y"})
    assert texts == {"a_mine.py": "of y's own", "b.py": '"y"\n'}


def test_where_a_file_cannot_be_written_nothing_is_left(own_project, monkeypatch):
    files = {"a.py": "first", "a.py/b.py": "below a file"}
    monkeypatch.setattr(problems, "render", lambda *_: files)
    with pytest.raises(OSError, match=r"File exists: .*/fresh'$"):
        new_problem(find_project(own_project), "fresh", load_template("torch"))
    assert not list(own_project.iterdir())


@pytest.mark.parametrize("taken", ["fresh", "fresh.py"])
def test_a_name_that_is_taken_is_refused(own_project, taken):
    (own_project / taken).touch()
    with pytest.raises(UserError, match="already exists; choose another name"):
        new_problem(find_project(own_project), "fresh", load_template("torch"))
    assert [path.name for path in own_project.iterdir()] == [taken]
