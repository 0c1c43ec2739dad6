"""The pages about Python name every public name, and their lines run in the order of the page."""

import re
import tomllib

import pytest
from literal_blocks import DOCS, REPOSITORY, blocks_of

import dh_project as dh
from dh_project.hps.settings_file import from_data


def test_the_api_page_names_every_public_name():
    page = (DOCS / "api.rst").read_text()
    named = set(re.findall(r"^\.\. auto(?:function|class|exception|data):: (\w+)$", page, re.MULTILINE))
    named |= {
        name.rpartition(".")[2] for name in re.findall(r"^\.\. automodule:: (\S+)$", page, re.MULTILINE)
    }
    assert named == set(dh.__all__) - {"__version__"}


@pytest.mark.slow
def test_the_lines_of_the_page_on_python_run_in_their_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.py").write_text("def run(point):\n    return point['lr']\n")
    blocks = [block.text for block in blocks_of(DOCS / "python.rst") if block.language == "python"]
    assert len(blocks) >= 5
    exec("\n".join(blocks), {"__name__": "page_on_python"})
    assert capsys.readouterr().out.count("trial ") > 16
    assert len(dh.open_search("search").table()) == 16


def test_the_settings_of_the_page_are_settings():
    (text,) = [block.text for block in blocks_of(DOCS / "python.rst") if block.language == "toml"]
    assert from_data(tomllib.loads(text)).max_failures is None


@pytest.mark.slow
def test_the_first_lines_of_the_readme_search(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = next(block for block in blocks_of(REPOSITORY / "README.rst") if block.language == "python")
    names = {"__name__": "readme"}
    exec(block.text, names)
    assert names["found"].best.objective <= 0


def test_the_design_names_files_and_folders_that_are_there():
    text = (DOCS / "design.rst").read_text()
    named = re.findall(r"``([a-z_]+/(?:[\w/]*\.py|[\w/]*/)?)``", text)
    assert len(named) > 60
    missing = [
        name
        for name in named
        if not ((REPOSITORY / "dh_project" / name).exists() or (REPOSITORY / name).exists())
    ]
    assert not missing


def test_the_design_explains_every_folder_of_the_package():
    text = (DOCS / "design.rst").read_text()
    package = REPOSITORY / "dh_project"
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert {folder for folder in folders if f"\n``{folder}/``" not in text} == set()
