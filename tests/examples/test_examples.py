"""The examples run as their first lines say, with few trials where a search would take minutes."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import dh_project as dh

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder, name, *words):
    """Run an example in a folder and return what it printed."""
    words = [sys.executable, EXAMPLES / name, *map(str, words)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_tested_and_named_in_the_readme():
    tested = Path(__file__).read_text()
    listed = (EXAMPLES / "README.rst").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name == "README.rst" or (f'"{path.name}"' in tested and f"<{path.name}>" in listed)


def test_a_function_is_searched_and_its_search_read(tmp_path):
    assert "best of 30 trials" in run(tmp_path, "1_search_a_function.py")
    found = dh.open_search(tmp_path / "search_a_function")
    assert found.best.objective > -0.5
    said = run(tmp_path, "4_read_with_pandas.py", "search_a_function")
    assert "30 rows" in said
    best = found.best.objective
    assert f"{best:.6f}"[:7] in said or f"{best:.6e}" in said  # as pandas shows a number that is nearly 0


@pytest.mark.slow
def test_cgcnn_is_searched(tmp_path):
    said = run(tmp_path, "2_search_cgcnn.py", 2, 1)
    assert "validation MAE 0." in said
    assert len(dh.open_search(tmp_path / "search_cgcnn").table()) == 2


@pytest.mark.slow
def test_own_crystals_are_searched(tmp_path):
    said = run(tmp_path, "3_own_crystals.py")
    assert "in the unit of the labels" in said
    predict = next(line for line in said.splitlines() if line.startswith("deephyper predict"))
    words = predict.partition("#")[0].split()
    subprocess.run([sys.executable, "-m", "dh_project.cli.main", *words[1:]], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    shutil.copy(EXAMPLES / "5_notebook.ipynb", tmp_path)
    book = nbformat.read(tmp_path / "5_notebook.ipynb", as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert len(dh.open_search(tmp_path / "search_in_a_notebook").table()) == 25
    assert len(dh.open_search(tmp_path / "search_of_a_file").table()) == 10


def test_the_notebook_is_kept_without_outputs():
    book = nbformat.read(EXAMPLES / "5_notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
