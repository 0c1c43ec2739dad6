"""The ``mpi`` evaluator with real ranks of MPICH and Open MPI."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths
from dh_project.testing.evaluator import assert_dead

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

ONE_MPI = pytest.mark.parametrize("launcher", ["MPICH"], indirect=True)
"""For tests that do not depend on the MPI library."""

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"


def command(folder, evals, *more, seconds=0.0, run=SAMPLES / "small_run.py"):
    """Return the words of a search."""
    return [
        *("-m", "dh_project.cli.main", "hps", "random", "--evaluator", "mpi", "--log-dir", str(folder)),
        *("--problem", str(SAMPLES / "small_problem.py"), "--run", str(run)),
        *("--run-kwargs", f"seconds={seconds}", "--max-evals", str(evals), *more),
    ]


def history_of(folder):
    return History.replay(scan(SearchPaths(folder).journal)[0])


def wait_for_ended(folder, count):
    """Wait until so many trials have ended and others run; return the processes of the workers that run them."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        journal = SearchPaths(folder).journal
        if journal.exists() and len((history := history_of(folder)).ended) >= count and history.running:
            return history
        time.sleep(0.05)
    raise AssertionError("the search does not come on")


def ranks_below(process):
    """Return the ranks that a launcher has started, other than the first, in the order of their start."""
    found = [each for each in process.children(recursive=True) if "dh_project.cli.main" in each.cmdline()]
    return sorted(found, key=lambda each: each.pid)[1:]


def test_it_fulfils_the_contract(launcher, tmp_path):
    status, said = launcher.run(3, str(HERE / "mpi_contract.py"), cwd=tmp_path)
    assert status == 0, said
    assert re.search(r"\d\d passed", said)


def test_rank_0_searches_and_the_others_carry_trials(launcher, tmp_path):
    status, said = launcher.run(4, *command("one", 12, seconds=0.2), cwd=tmp_path)
    assert (status, "12 trials ended, 0 of them failed" in said) == (0, True)
    trials = history_of(tmp_path / "one").trials.values()
    assert len({trial.worker for trial in trials}) == 3


@ONE_MPI
def test_trials_are_parked_and_resumed_by_other_ranks(launcher, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SAMPLES), prepend=os.pathsep)
    run = HERE.parent / "faults/faulty_trials.py:curve"
    status, said = launcher.run(4, *command("one", 12, "--stopper", "asha", run=run), cwd=tmp_path)
    assert status == 0, said
    trials = history_of(tmp_path / "one").trials.values()
    assert {trial.state for trial in trials} == {"done", "parked"}
    assert all(
        [step for step, _ in trial.reports] == list(range(1, trial.reports[-1][0] + 1)) for trial in trials
    )


@ONE_MPI
def test_progress_is_printed_in_lines_even_if_the_launcher_pretends_a_terminal(launcher, tmp_path):
    status, said = launcher.run(2, *command("one", 2), cwd=tmp_path)
    assert (status, "━" in said) == (0, False)
    assert len(re.findall(r"^trial +\d+  done", said, re.MULTILINE)) == 2


@ONE_MPI
def test_rank_0_carries_trials_if_as_many_as_ranks_are_asked_for(launcher, tmp_path):
    status, _ = launcher.run(2, *command("one", 8, "--num-workers", "2", seconds=0.2), cwd=tmp_path)
    assert status == 0
    assert len({trial.worker for trial in history_of(tmp_path / "one").trials.values()}) == 2


def test_if_the_launcher_ends_all_ranks_the_same_command_continues_the_search(launcher, tmp_path):
    search = command("one", 16, seconds=0.5)
    process = launcher.start(4, *search, cwd=tmp_path)
    before = wait_for_ended(tmp_path / "one", 3)
    ranks_below(psutil.Process(process.pid))[0].kill()
    process.communicate(timeout=60)
    assert process.returncode != 0
    status, said = launcher.run(4, *search, cwd=tmp_path)
    assert status == 0, said
    history = history_of(tmp_path / "one")
    assert len(history.ended) == 16
    assert all(history.trials[each.id].attempt == each.attempt for each in before.ended)


def test_if_a_rank_hangs_its_trial_gets_another_attempt(launcher, tmp_path):
    search = command("one", 12, "--rank-timeout", "8", seconds=0.5)
    process = launcher.start(4, *search, cwd=tmp_path)
    wait_for_ended(tmp_path / "one", 2)
    hung = ranks_below(psutil.Process(process.pid))[0]
    os.kill(hung.pid, signal.SIGSTOP)
    said, _ = process.communicate(timeout=180)
    assert "has sent nothing for 8 s" in said
    history = history_of(tmp_path / "one")
    assert [trial.state for trial in history.ended] == ["done"] * 12
    assert sum(trial.attempt == 2 for trial in history.ended) == 1
    assert_dead([hung.pid])


@pytest.mark.parametrize("launcher", ["Open MPI"], indirect=True)
def test_if_the_launcher_keeps_the_other_ranks_the_search_continues_with_them(launcher, tmp_path):
    search = command("one", 16, "--rank-timeout", "8", seconds=0.5)
    process = launcher.start(4, *search, options=("--enable-recovery",), cwd=tmp_path)
    wait_for_ended(tmp_path / "one", 3)
    ranks_below(psutil.Process(process.pid))[0].kill()
    said, _ = process.communicate(timeout=180)
    assert "16 trials ended" in said
    assert len(history_of(tmp_path / "one").ended) == 16


@ONE_MPI
def test_a_trial_of_several_processes_has_a_rank_for_each(launcher, tmp_path):
    status, said = launcher.run(5, *command("one", 4, "--ranks-per-trial", "2"), cwd=tmp_path)
    assert status == 0, said
    for trial in history_of(tmp_path / "one").trials.values():
        assert (SearchPaths(tmp_path / "one").trial(trial.id, 1) / "rank-1" / "dh-result.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--num-workers", "4"], "3 ranks hold 3 trials"),  # rank 0 says so once the ranks have met
        (["--max-eval", "4"], "did you mean '--max-evals'"),  # each would say so before
    ],
)
def test_a_mistake_is_reported_in_one_line_by_all_ranks_together(launcher, tmp_path, options, said):
    status, printed = launcher.run(3, *command("one", 4, *options), cwd=tmp_path)
    assert status == 2
    assert [line for line in printed.splitlines() if "error:" in line and said in line]
    assert printed.count("error:") == 1
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [({}, "this is a single process"), ({"MPI4PY_LIBMPI": "/no/such/libmpi.so"}, "there is no MPI library")],
)
def test_a_missing_library_or_launcher_is_reported_in_one_line(tmp_path, variables, said):
    done = subprocess.run(
        [sys.executable, *command("one", 4)],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (2, True, 1)


@pytest.mark.parametrize("launcher", ["Open MPI"], indirect=True)
def test_the_launcher_of_another_mpi_is_refused(launcher, tmp_path):
    del launcher.variables["MPI4PY_LIBMPI"]  # mpi4py then finds MPICH
    status, said = launcher.run(2, *command("one", 4), cwd=tmp_path)
    assert status == 2
    assert said.count("is not that of mpi4py's library (MPICH") == 1


def test_a_rank_that_cannot_start_its_worker_gets_no_trials(launcher, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if '2' in (os.environ.get('PMI_RANK'), os.environ.get('OMPI_COMM_WORLD_RANK')):\n"
        "    sys.executable = '/nowhere/python'\n"
    )
    search = command("one", 8, seconds=0.7)  # for longer than a rank says nothing
    status, said = launcher.with_path(tmp_path).run(3, *search, cwd=tmp_path)
    assert status == 0, said
    assert said.count("cannot start a worker") == 1
    assert [trial.state for trial in history_of(tmp_path / "one").ended] == ["done"] * 8


@ONE_MPI
def test_ranks_wait_while_the_first_one_prepares_data(launcher, tmp_path):
    (tmp_path / "slow_run.py").write_text(
        "import time\n\ndef prepare():\n    time.sleep(6)\n\ndef run(point):\n    return point['x']\n"
    )
    (tmp_path / "sitecustomize.py").write_text(
        "import dh_project.evaluators.mpi_world as world\nworld.DRIVER_SECONDS = 4.0\n"
    )
    there = launcher.with_path(tmp_path)
    words = ["--log-dir", "one", "--problem", str(SAMPLES / "small_problem.py"), "--run", "slow_run.py"]
    search = ["-m", "dh_project.cli.main", "hps", "random", "--evaluator", "mpi", "--max-evals", "4", *words]
    status, said = there.run(3, *search, cwd=tmp_path)
    assert (status, "4 trials ended, 0 of them failed" in said) == (0, True), said
