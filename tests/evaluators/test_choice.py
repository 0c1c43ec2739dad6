"""Evaluators are found by their entry points."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from dh_project import evaluators
from dh_project.common.errors import UserError
from dh_project.evaluators import create_evaluator, evaluator_class, evaluator_name, evaluator_names
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import RunContext
from dh_project.trial.shape import TrialShape


@pytest.fixture
def installed(monkeypatch):
    """Entry points as an installation has them, to which a test adds its own."""
    found = {
        name: EntryPoint(name, value, evaluators.GROUP)
        for name, value in {
            "process": "dh_project.evaluators.process:ProcessEvaluator",
            "mine": "dh_project.evaluators.process:ProcessEvaluator",
            "broken": "no_such_module:Evaluator",
            "other": "pathlib:Path",
        }.items()
    }
    monkeypatch.setattr(evaluators, "entry_points", lambda group: found.values())
    evaluators._installed.cache_clear()
    yield found
    evaluators._installed.cache_clear()


def test_the_evaluators_of_this_package_are_installed():
    assert {"balsam", "mpi", "process", "ray"} <= set(evaluator_names())


@pytest.mark.parametrize("name", ["balsam", "mpi", "process", "ray"])
def test_each_name_leads_to_a_class(name):
    assert evaluator_class(name).__name__.lower() == f"{name}evaluator"


@pytest.mark.usefixtures("installed")
def test_an_evaluator_of_another_package_is_used_by_its_name(tmp_path):
    context = RunContext("dh_project.testing.runs.run", {}, str(tmp_path), sys.path)
    with create_evaluator("mine", context, EvaluatorSettings(num_workers=1)) as evaluator:
        assert isinstance(evaluator, ProcessEvaluator)
        assert evaluator.in_words() == "1 worker (1 core each)"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("proces", "did you mean 'process'.*valid: broken, mine, other, process"),
        ("broken", "'broken': no_such_module:Evaluator cannot be imported: No module named"),
        ("other", "'other': pathlib:Path is no subclass"),
        ("rayhorovod", "is gone: a trial of several processes is --evaluator ray"),
    ],
)
def test_a_name_without_an_evaluator_is_refused_in_one_line(name, said):
    with pytest.raises(UserError, match=said) as error:
        evaluator_class(name)
    assert "\n" not in str(error.value)


def test_a_copy_that_was_installed_without_its_evaluators_says_so(installed):
    installed.clear()
    with pytest.raises(UserError, match="install it again"):
        evaluator_names()


def test_old_names_lead_to_the_evaluators_that_do_the_same():
    assert [evaluator_name(name) for name in ("subprocess", "thread", "mpicomm")] == [
        "process",
        "process",
        "mpi",
    ]


def test_a_trial_of_several_processes_takes_as_many_workers(tmp_path):
    context = RunContext("dh_project.testing.runs.run", {}, str(tmp_path), sys.path)
    settings = EvaluatorSettings(TrialShape(processes=2), num_workers=1, folder=tmp_path)
    with create_evaluator("process", context, settings) as evaluator:
        assert evaluator.in_words() == "1 worker (2 processes of 1 core each)"


def test_importing_the_evaluators_imports_none_of_them():
    ask = "import sys, dh_project.evaluators; print([name for name in sys.modules if name.startswith('dh_project')])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert "dh_project.evaluators.rank_groups" in done.stdout
    assert "dh_project.hpc" not in done.stdout
    assert "dh_project.evaluators.process" not in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no affinity masks")
def test_a_search_has_no_more_workers_than_the_cores_it_may_use(samples, tmp_path):
    one = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(
        [
            *("taskset", "-c", one, sys.executable, "-m", "dh_project.cli.main", "hps", "random"),
            *("--evaluator", "process", "--max-evals", "1", "--log-dir", "one"),
            *("--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")),
        ],
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 worker (1 core each)" in done.stdout.splitlines()
