"""The two scripts of a problem: the baseline, and the best trial of a search."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dh_project import run_baseline, run_best

pytestmark = pytest.mark.slow

PROBLEM = """\
from dh_project import HpProblem, record, report, trial_folder

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0))
{starting_point}

def run(point, epochs=2, seed=0):
    for epoch in range(1, epochs + 1):
        report(epoch, point["x"] * epoch)
    record(seed=seed)
    (trial_folder() / "model.txt").write_text("trained")
    return point["x"] * epochs + seed

def prepare(epochs=2, seed=0):
    if epochs < 1:
        raise ValueError("epochs is below 1")
"""
POINT = "Problem.add_starting_point(x=0.25)"


@pytest.fixture
def problem(tmp_path, monkeypatch):
    """Return the path of a problem file, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.py"
    path.write_text(PROBLEM.format(starting_point=POINT))
    return str(path)


@pytest.fixture
def best(problem, tmp_path):
    """Return a function that writes a ``best.json`` of the problem, as ``topk`` does."""

    def best(name="best.json", run=problem, **run_kwargs):
        rerun = {"run": run, "run_kwargs": run_kwargs, "seed": 3}
        entry = {"id": 5, "elapsed_sec": 1.0, "objective": 4.5, "x": 0.5, "rerun": rerun}
        (tmp_path / name).write_text(json.dumps({"0": entry}))

    return best


def test_the_baseline_is_the_first_starting_point(problem, capsys, tmp_path):
    assert run_baseline(problem, problem, ["epochs=3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["step 1: 0.25", "step 2: 0.5", "step 3: 0.75"]
    assert "objective: 0.75" in said
    assert {path.name for path in (tmp_path / "default_config/small").iterdir()} == {
        "model.txt",
        "reports.csv",
        "reports.png",
    }


def test_the_best_runs_by_its_recorded_arguments_and_seed(problem, best, capsys):
    best(epochs=3)
    assert run_best(problem, []) == 0
    said = capsys.readouterr().out
    assert "trial 5 of best.json: {'x': 0.5}" in said
    assert "objective: 4.5 (recorded: 4.5)" in said


def test_given_arguments_win_over_recorded_ones(problem, best, capsys):
    best("mine.json", epochs=3)
    assert run_best(problem, ["mine.json", "epochs=1"]) == 0
    assert "objective: 3.5 (recorded: 4.5)" in capsys.readouterr().out


RUN_ALONE = """
def run_alone(point, *, folder, recorded=None, **rest):
    print(point, folder, recorded, rest)
"""


def test_a_module_can_define_how_its_points_are_run_alone(problem, best, capsys):
    with Path(problem).open("a") as file:
        file.write(RUN_ALONE)
    best(epochs=3)
    assert run_best(problem, []) == 0
    assert "{'x': 0.5} best_config/small 4.5 {'seed': 3, 'epochs': 3}" in capsys.readouterr().out


def test_results_that_name_the_file_of_the_module_elsewhere_are_of_the_same_run(tmp_path, monkeypatch, best):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/model_run.py").write_text(PROBLEM.format(starting_point=POINT))
    monkeypatch.syspath_prepend(tmp_path)
    best(run="/another/machine/pack/model_run.py")
    assert run_best("pack.model_run.run", []) == 0
    best(run="/another/machine/model_run.py")
    assert run_best("pack.model_run.run", []) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "neither best.json nor results.csv here or in search/small"),
        (["nowhere.json"], "nowhere.json: there is no such file"),
        (["a.csv", "b.csv"], "one file of results is enough, and 2 are given"),
    ],
)
def test_without_results_the_best_is_one_line(problem, words, said, capsys):
    assert run_best(problem, words) == 2
    assert said in capsys.readouterr().err


def test_results_of_another_run_function_are_refused(problem, best, capsys):
    best(run="other.model_run.run")
    assert run_best(problem, []) == 2
    assert "its run function is other.model_run.run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "said"),
    [("epoch=3", "did you mean 'epochs'"), ("epochs=0", "epochs is below 1"), ("epochs", "form key=value")],
)
def test_a_wrong_argument_is_one_line_and_leaves_nothing(problem, word, said, capsys, tmp_path):
    assert run_baseline(problem, problem, [word]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "default_config").exists()


def test_a_problem_without_a_starting_point_has_no_baseline(problem, tmp_path, capsys):
    other = tmp_path / "bare.py"
    other.write_text(PROBLEM.format(starting_point=""))
    assert run_baseline(str(other), str(other), []) == 2
    assert "has no starting point" in capsys.readouterr().err


def test_a_file_in_the_place_of_its_folder_is_one_line(problem, capsys, tmp_path):
    (tmp_path / "default_config").touch()
    assert run_baseline(problem, problem, []) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'default_config/small'} cannot be written: Not a directory; "
        "mend that, or go to another folder\n"
    )


@pytest.mark.parametrize("name", [".unfinished.json", "reports.csv"])
def test_a_file_that_cannot_be_written_is_one_line(problem, capsys, tmp_path, name):
    home = tmp_path / "default_config/small"
    (home / name / "a folder in its place").mkdir(parents=True)
    (home / ".unfinished.json").exists() or (home / ".unfinished.json").write_text("{}")
    assert run_baseline(problem, problem, []) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"default_config/small/{name} cannot be written: Is a directory" in line


def test_a_run_function_of_todays_deephyper_gets_its_job(problem, capsys, tmp_path):
    of_today = tmp_path / "of_today.py"
    of_today.write_text("def run(job):\n    job.record(1, 0.25)\n    return job.parameters['x'] + job['x']\n")
    assert run_baseline(problem, str(of_today), []) == 0
    assert "objective: 0.5" in capsys.readouterr().out


CLASS = """\
import os
from dh_project import as_run

class Model:
    steps = 4

    def setup(self, point, fails=False):
        self.x, self.fails = point["x"], fails

    def step(self):
        self.x += 1
        if self.x > float(os.environ.get("KILLED_ABOVE", "inf")):
            if self.fails:
                raise ArithmeticError
            os._exit(1)
        return self.x

    def save(self, folder):
        (folder / "x").write_text(str(self.x))

    def load(self, folder):
        self.x = float((folder / "x").read_text())

run = as_run(Model)
"""


@pytest.fixture
def train(problem, tmp_path, monkeypatch):
    """Return a function that runs the baseline of a class in a process, and returns the lines of its steps."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (tmp_path / "model.py").write_text(CLASS)
    call = "import sys; from dh_project import run_baseline; from dh_project.trial import checkpoint_timer; "
    call += "checkpoint_timer.SHARE = 1.0; sys.exit(run_baseline('small.py', 'model.py'))"

    def train(*words, killed_above=math.inf):
        environment = os.environ | {"KILLED_ABOVE": str(killed_above)}
        done = subprocess.run(
            [sys.executable, "-c", call, *words],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == math.isfinite(killed_above)
        return [line for line in done.stdout.splitlines() if line.startswith("step ")]

    return train


def test_a_killed_class_is_resumed_by_the_same_command(train, tmp_path):
    assert train(killed_above=2) == ["step 1: 1.25"]
    assert train() == ["step 2: 2.25", "step 3: 3.25", "step 4: 4.25"]
    reports = (tmp_path / "default_config/model/reports.csv").read_text().split()
    assert reports == ["step,objective", "1,1.25", "2,2.25", "3,3.25", "4,4.25"]


def test_with_other_arguments_it_starts_from_the_beginning(train):
    train(killed_above=2)
    assert len(train("steps=3")) == 3


def test_after_a_failure_it_starts_from_the_beginning(train):
    train("fails=true", killed_above=2)
    assert len(train("fails=true")) == 4


def test_a_finished_run_is_not_overwritten(problem, tmp_path, capsys):
    assert run_baseline(problem, problem, []) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "default_config/small").iterdir()}
    for words in ([], ["epochs=3"]):
        assert run_baseline(problem, problem, words) == 2
        assert (
            "default_config/small holds a finished run or other files: give folder="
            in capsys.readouterr().err
        )
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "default_config/small").iterdir()} == before
    assert run_baseline(problem, problem, ["folder=other"]) == 0
    assert (tmp_path / "other/model.txt").exists()


def test_two_problems_of_a_folder_have_a_folder_each(problem, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(Path(problem).read_text())
    assert run_baseline(problem, problem, []) == run_baseline(str(other), str(other), []) == 0
    assert {path.name for path in (tmp_path / "default_config").iterdir()} == {"small", "other"}


def test_the_results_of_a_problem_are_found_in_its_folder_and_one_up(tmp_path, monkeypatch, best, capsys):
    (tmp_path / "demo/net").mkdir(parents=True)
    (tmp_path / "demo/net/model_run.py").write_text(PROBLEM.format(starting_point=POINT))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "demo/search/net").mkdir(parents=True)
    best("demo/search/net/best.json", run="demo.net.model_run.run", epochs=3)
    for folder in (tmp_path / "demo", tmp_path / "demo/net"):
        monkeypatch.chdir(folder)
        assert run_best("demo.net.model_run.run", []) == 0
        assert "objective: 4.5 (recorded: 4.5)" in capsys.readouterr().out
        assert (folder / "best_config/net/model.txt").exists()


SCRIPT = '''\
"""``python script.py [key=value ...]``: run the baseline."""
import sys
from dh_project import run_baseline
sys.exit(run_baseline("small.py", "small.py"))
'''


def test_help_prints_the_docstring(problem, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout == "``python script.py [key=value ...]``: run the baseline.\n"
    assert not (tmp_path / "default_config").exists()


def test_ctrl_c_is_no_traceback(problem, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    with (tmp_path / "small.py").open("a") as file:
        file.write("def run(point):\n    import time\n    report(1, 0.5)\n    time.sleep(600)\n")
    script = subprocess.Popen(
        [sys.executable, "script.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background makes them ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert script.stdout.readline() == "step 1: 0.5\n"
    script.send_signal(signal.SIGINT)
    assert script.communicate()[1] == "interrupted\n"
    assert script.returncode == 130
