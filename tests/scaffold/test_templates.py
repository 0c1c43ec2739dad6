"""Each template: its files, its own test, a search, and its best trial run again."""

import json
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from dh_project.scaffold.problem import new_problem
from dh_project.scaffold.project import Project
from dh_project.scaffold.template import load_template, template_names

REPOSITORY = Path(__file__).parents[2]
FILES = {"__init__", "load_data", "model_run", "problem", "default_config", "best_config"}

ON_RAY = {"class", "script", "torch"}
"""Templates that are searched on Ray, and the others on processes: a class, a program and a function on each."""


@pytest.fixture(scope="module", params=template_names())
def template(request):
    loaded = load_template(request.param)
    for module in loaded.needs:
        pytest.importorskip(module)
    return loaded


@pytest.fixture(scope="module")
def problem(template, environment, project, crystals):
    """Return the folder of a problem made from the template."""
    name = f"my_{template.name}"
    options = ["--with", f"data={crystals}"] if template.name == "cgcnn" else []
    words = ["new-problem", "hps", name, "--template", template.name, *options]
    environment.run("deephyper", *words, cwd=project)
    return project / name


def quick(template):
    words = [f"{name}={value}" for name, value in template.quick.items()]
    return ["--run-kwargs", *words] if words else []


def objectives(text):
    """Return the objective that was found and the recorded one."""
    found, recorded = re.search(r"objective: (\S+) \(recorded: (\S+)\)", text).groups()
    return float(found), float(recorded)


def test_it_has_the_files_of_the_tutorial(problem):
    assert {path.stem for path in problem.glob("*.py")} >= {*FILES, f"test_{problem.name}"}
    assert {path.name for path in (problem / "jobs").iterdir()} == {"search.sh", "submit.sh"}


def test_its_own_test_passes(problem, environment):
    done = environment.run(environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=problem)
    assert re.search(r"\d passed", done.stdout)


def test_its_data_and_its_space_are_shown(problem, environment):
    assert environment.run(environment.python, "load_data.py", cwd=problem).stdout.strip()
    assert "Starting Point" in environment.run(environment.python, "problem.py", cwd=problem).stdout


@pytest.mark.slow
@pytest.mark.ray
def test_it_is_searched_and_its_best_run_again_by_both_scripts(problem, template, environment, tmp_path):
    evaluator = "ray" if template.name in ON_RAY else "process"
    words = ["--evaluator", evaluator, "--max-evals", "4", "--num-workers", "2", *quick(template)]
    done = environment.run(problem / "jobs/search.sh", *words, cwd=tmp_path)
    search = tmp_path / "search" / problem.name
    rows = (search / "results.csv").read_text().splitlines()[1:]
    assert len(rows) == 4
    assert " trials ended, 0 of them failed" in done.stdout
    found, recorded = objectives(done.stdout)
    assert found == pytest.approx(recorded, rel=1e-6)
    assert json.loads((search / "best.json").read_text())["0"]["objective"] == recorded
    again = environment.run(environment.python, problem / "model_run.py", "folder=again", cwd=tmp_path)
    assert objectives(again.stdout) == pytest.approx((recorded, recorded), rel=1e-6)


def test_the_shell_takes_its_scripts(problem):
    shellcheck = f"{sysconfig.get_path('scripts')}/shellcheck"
    scripts = sorted((problem / "jobs").iterdir())
    checked = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_in_this_clone_its_code_has_this_clones_style(template, tmp_path):
    (tmp_path / "dh_project").mkdir()
    new_problem(Project(tmp_path, "dh_project"), "zeolites", template)  # imports are sorted by name, too
    ruff = f"{sysconfig.get_path('scripts')}/ruff"
    settings = ["--no-cache", "--config", REPOSITORY / "pyproject.toml"]
    sorting = ["--config", 'lint.isort.known-first-party=["dh_project"]']
    for words in (["check", *sorting], ["format", "--diff"]):
        done = subprocess.run(
            [ruff, *words, *settings, "dh_project"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
