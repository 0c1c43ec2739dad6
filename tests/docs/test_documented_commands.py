"""The commands of docs/new_problem.rst and docs/tutorial.rst in their order, and an example, as readers type them."""

import os
import re
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
EXAMPLE = DOCS / "examples/original_cgcnn.py"

TRAIN = """\
import argparse

parser = argparse.ArgumentParser()
for name in ("--learning-rate", "--momentum"):
    parser.add_argument(name, type=float)
parser.add_argument("--optim")
print("MAE", abs(parser.parse_args().learning_rate - 0.1))
"""


def commands(page):
    """Return the lines of a page's blocks that are commands; a search is cut to two trials of five epochs."""
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", (DOCS / page).read_text())
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    typed = [
        line
        for line in lines
        if re.match(r"(deephyper|deephyper-analytics|python|pytest|cd) |.*\.sh --", line)
    ]
    return [re.sub(r"--max-evals \d+", "--max-evals 2 --run-kwargs epochs=5", line) for line in typed]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_of_the_page_runs(environment, crystals, tmp_path):
    (tmp_path / "crystals").symlink_to(crystals)
    (tmp_path / "train.py").write_text(TRAIN)
    typed = [line.replace("start-project demo", "start-project told") for line in commands("new_problem.rst")]
    typed = [re.sub(r"\bdemo\b", "told", line) for line in typed]  # another test has a project demo
    assert len(typed) >= 15
    said = run_all(typed, environment, tmp_path)
    assert "train_X shape: (8000, 10)" in said
    assert len(re.findall(r"\(recorded: ", said)) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_of_the_tutorial_runs(environment, tmp_path):
    typed = commands("tutorial.rst")
    assert len(typed) >= 12
    said = run_all(typed, environment, tmp_path)
    outputs = re.findall(r"code-block:: text\n\n((?:    .*\n|\n)+)", (DOCS / "tutorial.rst").read_text())
    fixed = [block for block in outputs if "…" not in block and "error" not in block]
    assert len(fixed) == 2  # the data's shapes, and the space
    for block in fixed:
        assert textwrap.dedent(block).strip() in said
    assert "all 2 trials have ended already" in said
    assert "learns from 2 trials" in said


def run_all(typed, environment, folder):
    """Run lines in one shell, which ends at the first that fails, and return what they print."""
    script = "\n".join(["set -eo pipefail", *typed]).replace("pytest ", f"{environment.python} -m pytest -q ")
    return environment.run("bash", "-c", script, cwd=folder).stdout


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
