"""``dh.search`` and ``dh.open_search`` in this process: results, identity, refusals, and searches side by side."""

import ast
import functools
import inspect
import logging
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import dh_project as dh
from dh_project.hps.run import search
from dh_project.hps.settings import SearchSettings

PACKAGE = Path(dh.__file__).parent
QUICK = {"searcher": "random", "evaluator": "process", "num_workers": 1, "max_evals": 2, "progress": False}


@pytest.fixture
def problem():
    problem = dh.HpProblem()
    problem.add_dim("x", (-10.0, 10.0))
    return problem


def parabola():
    """Return a function that no worker can import."""

    def run(point):
        return -(point["x"] ** 2)

    return run


def test_a_search_leaves_what_it_returns(problem, tmp_path):
    found = dh.search(problem, parabola(), folder=tmp_path / "a/b", **QUICK)
    assert [trial.id for trial in found.trials] == [0, 1]
    assert found.best.objective == max(-(trial.point["x"] ** 2) for trial in found.trials)
    assert set(found.table().columns) >= {"p:x", "objective", "job_id", "job_status", "m:reason"}
    assert "<table" in found._repr_html_()
    assert not list(tmp_path.rglob("*.run-function"))
    again = dh.open_search(tmp_path / "a/b")
    assert again.table().equals(found.table())
    assert again.ending.kind == "complete"


def test_the_objective_of_a_failed_trial_is_missing(problem, tmp_path):
    def run(point):
        raise ValueError("no such luck")

    table = dh.search(problem, run, folder=tmp_path, **QUICK).table()
    assert table["objective"].isna().all()
    assert table["m:reason"].str.contains("no such luck").all()


def test_an_observer_is_shown_what_happens(problem, tmp_path):
    seen = []

    class Ends(dh.Observer):
        def ended(self, trial):
            seen.append(trial.id)

    dh.search(problem, parabola(), folder=tmp_path, **QUICK | {"progress": Ends()})
    assert sorted(seen) == [0, 1]


def test_a_search_is_read_while_it_runs(problem, tmp_path):
    def run(point):
        time.sleep(0.2)
        return point["x"]

    seen = []

    class Reader(dh.Observer):
        def ended(self, trial):
            seen.append(dh.open_search(tmp_path))

    dh.search(problem, run, folder=tmp_path, **QUICK | {"progress": Reader()})
    assert [len(found.table()) for found in seen] == [1, 2]
    assert all(found.ending is None for found in seen)


def test_another_source_is_another_search(problem, tmp_path):
    dh.search(problem, parabola(), folder=tmp_path, **QUICK)

    def run(point):
        return point["x"] + 1

    with pytest.raises(dh.UserError, match=r"another search .* run was .* use another folder, or fresh to"):
        dh.search(problem, run, folder=tmp_path, **QUICK)
    assert len(dh.search(problem, run, folder=tmp_path, fresh=True, **QUICK).trials) == 2
    assert len(list(tmp_path.rglob("journal.jsonl"))) == 2  # the first one was put aside, not deleted


def test_a_function_without_source_is_the_same_search_in_every_process():
    from dh_project.user_code.run_function import RunFunction

    def compiled():
        names = {}
        text = "def run(point):\n    return max((k for k in point if k in {'a', 'b', 'c'}), key=lambda k: point[k])"
        exec(compile(text, "<stdin>", "exec"), {"__name__": "__main__"}, names)
        return RunFunction.of(names["run"]).name

    assert compiled() == compiled()
    assert "0x" not in compiled()


def no_function(kind):
    """Return something that is no run function, with the words that refuse it."""
    lock = threading.Lock()

    class Model:
        def run(self, point):
            return 1.0

    def locked(point):
        with lock:
            return 1.0

    return {
        "lambda": (lambda point: 1.0, "a lambda has no name"),
        "method": (Model().run, "is a method, which takes its object along"),
        "partial": (functools.partial(max), "constant arguments go into run_kwargs"),
        "number": (3, "give def run"),
        "lock": (locked, "cannot be sent to workers.*%%writefile run.py"),
        "class": (Model, "no setup and no step"),
        "no file": ("run.py:run", "there is no file 'run.py'"),
        "no module": ("no_such_module.run", "there is no module 'no_such_module'"),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["lambda", "method", "partial", "number", "lock", "class", "no file", "no module"]
)
def test_what_workers_cannot_run_is_refused(problem, tmp_path, kind):
    run, said = no_function(kind)
    refused(said, tmp_path, problem=problem, run=run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem": 3}, "HpProblem"),
        ({"problem": None}, "HpProblem"),
        ({"problem": dh.HpProblem()}, "no hyperparameter"),
        ({"problem": "problem.py"}, "there is no file 'problem.py'"),
        ({"run_kwargs": {"epochs": 3}}, r"run_kwargs epochs: \S+run takes no such argument"),
        ({"run_kwargs": {"data": object()}}, "run_kwargs.data: a value of type object cannot be kept"),
        ({"max_eval": 3}, "did you mean 'max_evals'"),
        ({"log_dir": "search"}, "from Python it is folder"),
        ({"num_cpus_per_task": 2}, "from Python it is trial.cores"),
        ({"max_evals": 0}, "max_evals=0"),
        ({"progress": "no"}, "progress='no': give True, False"),
        ({"folder": 3}, "folder=3"),
        ({"folder": __file__}, "this is a file; name a folder"),
        ({"folder": "/proc/search"}, "folder /proc/search: cannot be written to"),
        ({"trial": {"gpu": 1}}, "did you mean 'gpus'"),
        ({"trial": dh.TrialShape(processes=2, nodes=2)}, "trial.nodes 2: process does not spread a trial"),
        ({"num_workers": 1, "trial": dh.TrialShape(gpus=64)}, "trial.gpus 64: there "),
        ({"warm_start": ["nothing.csv"]}, "nothing.csv: there is no such file"),
        ({"scratch": __file__}, "scratch"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(problem, tmp_path, changes, said):
    searcher = {"searcher": "ambs"} if "warm_start" in changes else {}
    refused(said, tmp_path, **{"problem": problem, "run": parabola()} | searcher | changes)


def refused(said, tmp_path, problem, run, **changes):
    """Check that a search is refused in one line that says something, and leaves nothing."""
    settings = QUICK | {"folder": tmp_path / "new/folder"} | changes
    with pytest.raises(dh.UserError, match=said) as raised:
        dh.search(problem, run, **settings)
    assert "\n" not in str(raised.value)
    assert " --" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_search_cannot_be_opened(tmp_path):
    with pytest.raises(dh.UserError, match="no search has been run here"):
        dh.open_search(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("schema", [1, 2])
def test_journals_of_every_version_open(samples, tmp_path, schema):
    shutil.copy(samples / f"journals/schema-{schema}.jsonl", tmp_path / "journal.jsonl")
    found = dh.open_search(tmp_path)
    assert [str(trial.state) for trial in found.trials[:3]] == ["done", "failed", "running"]
    assert found.best.objective == 2.0
    assert len(found.table()) == 2


def test_a_search_leaves_log_and_signals_as_they_were(problem, tmp_path):
    logger, handler = logging.getLogger("dh_project"), signal.getsignal(signal.SIGINT)
    before = logger.level, logger.propagate, list(logger.handlers)
    for folder in ("first", "second"):
        dh.search(problem, parabola(), folder=tmp_path / folder, **QUICK)
        assert (logger.level, logger.propagate, logger.handlers) == before
        assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "first/deephyper.log").read_text().count(" started ") == 2


def test_searches_in_two_threads_have_a_log_each(problem, tmp_path):
    logger = logging.getLogger("dh_project")
    before, found = (logger.level, logger.propagate, list(logger.handlers)), {}
    both_run = threading.Barrier(2, timeout=60)

    class Meeting(dh.Observer):
        def ended(self, trial):
            if trial.id == 0:
                both_run.wait()

    def search_in(name):
        settings = QUICK | {"progress": Meeting()}
        found[name] = dh.search(problem, parabola(), folder=tmp_path / name, **settings)

    threads = [threading.Thread(target=search_in, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("first", "second"):
        assert len(found[name].table()) == 2
        assert (tmp_path / name / "deephyper.log").read_text().count(" started ") == 2
    assert (logger.level, logger.propagate, logger.handlers) == before


def test_a_second_search_in_the_folder_is_refused_and_disturbs_nothing(problem, tmp_path):
    class Intruder(dh.Observer):
        def ended(self, trial):
            if trial.id == 0:
                sent = list(tmp_path.glob(".*.run-function"))
                with pytest.raises(dh.UserError, match="another"):
                    dh.search(problem, parabola(), folder=tmp_path, **QUICK)
                assert list(tmp_path.glob(".*.run-function")) == sent
                assert len(sent) == 1

    assert (
        len(dh.search(problem, parabola(), folder=tmp_path, **QUICK | {"progress": Intruder()}).table()) == 2
    )


def test_the_signature_shows_all_settings_with_their_defaults():
    shown = inspect.signature(search).parameters
    defaults = SearchSettings(problem="", run="")
    for name in vars(defaults).keys() - {"problem", "run", "folder"}:
        assert shown[name].default == getattr(defaults, name)


def test_only_programs_parse_options():
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            if "argparse" in names:
                importers.add(str(path.relative_to(PACKAGE)))
    assert {name for name in importers if not name.startswith("cli/")} == {
        "cgcnn_mp/training/checkpoint.py",  # checkpoints of the original CGCNN hold an argparse.Namespace
    }
