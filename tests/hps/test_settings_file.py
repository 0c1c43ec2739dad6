"""Search settings as TOML and JSON data: they survive the way there and back, and mistakes are told in one line."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as each
from hypothesis import strategies as st

from dh_project import SearchSettings, TrialShape, UserError
from dh_project.hps.settings_file import from_data, read_settings, settings_text, to_data, write_settings

NAMES = st.text("abcdefghij_", min_size=1)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1)
PLAIN = st.recursive(
    st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=5,
)
SECONDS = st.none() | st.floats(1e-3, 1e11)
SHAPES = st.builds(
    TrialShape,
    processes=st.integers(1, 64),
    nodes=st.integers(1, 64),
    cores=st.none() | st.integers(1, 64),
    gpus=st.none() | st.floats(0, 8),
)
EVERY = st.builds(
    SearchSettings,
    problem=TEXTS,
    run=TEXTS,
    run_kwargs=st.dictionaries(NAMES, PLAIN),
    folder=st.sampled_from([Path("search"), Path("/a/b c"), Path()]),
    seed=st.none() | st.integers(0, 2**32),
    searcher_settings=st.dictionaries(st.sampled_from(["kappa", "xi"]), st.floats(0, 10)),
    warm_start=st.lists(st.sampled_from([Path("a.csv"), Path("b/c.csv")])).map(tuple),
    stopper=st.just("median"),
    stopper_settings=st.dictionaries(NAMES, PLAIN),
    evaluator=st.just("mpi"),
    evaluator_settings=st.fixed_dictionaries(
        {}, optional={"rank_timeout": st.floats(4, 100), "gpu_order": st.lists(st.integers(0, 9)).map(tuple)}
    ),
    num_workers=st.none() | st.integers(1, 1000),
    trial=SHAPES,
    scratch=st.none() | st.just(Path("/local/scratch")),
    max_evals=st.none() | st.integers(1, 2**40),
    timeout=SECONDS,
    walltime=st.none() | st.floats(61, 1e6),
    trial_timeout=SECONDS,
    trial_memory=SECONDS,
    max_retries=st.integers(0, 100),
    max_failures=st.none() | st.integers(1, 1000) | st.floats(0.01, 1),
    labels=st.dictionaries(NAMES, TEXTS),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@each(EVERY)
def test_any_settings_survive_toml_and_json(given):
    assert from_data(tomllib.loads(settings_text(given))) == given
    assert from_data(json.loads(json.dumps(to_data(given)))) == given


def test_a_file_holds_only_what_differs_from_the_defaults(tmp_path):
    settings = SearchSettings(problem="problem.py", run="run.py", max_evals=50, trial=TrialShape(gpus=1))
    write_settings(settings, tmp_path / "search.toml")
    written = tomllib.loads((tmp_path / "search.toml").read_text())
    assert written == {"problem": "problem.py", "run": "run.py", "max_evals": 50, "trial": {"gpus": 1}}
    assert read_settings(tmp_path / "search.toml") == settings


def test_a_password_is_not_written():
    settings = SearchSettings(problem="p.py", run="r.py", evaluator_settings={"ray_password": "secret"})
    assert "secret" not in settings_text(settings)


def test_paths_and_tuples_are_kept_as_the_journal_will_hold_them():
    settings = SearchSettings(problem="p.py", run="r.py", run_kwargs={"data": Path("a/b"), "sizes": (1, 2)})
    assert settings.run_kwargs == {"data": "a/b", "sizes": [1, 2]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"run": print},
            "run: a value of type builtin_function_or_method cannot be written to a file; name it by its import path",
        ),
        ({"problem": 3}, "problem: a value of type int cannot be written to a file"),
    ],
)
def test_objects_are_refused_with_the_way_out(values, said):
    with pytest.raises(UserError, match=said):
        to_data(SearchSettings(**{"problem": "problem.py", "run": "run.py"} | values))


def test_a_value_that_toml_lacks_is_refused():
    with pytest.raises(UserError, match="cannot be written as TOML"):
        settings_text(SearchSettings(problem="p.py", run="r.py", run_kwargs={"a": None}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_eval = 3", "unknown setting 'max_eval' (did you mean 'max_evals'?)"),
        ("max_evals = 0", "max_evals=0: Input should be greater than or equal to 1"),
        ("max_evals = '3'", "max_evals='3': Input should be a valid integer"),
        ("max_failures = 2.5", "max_failures=2.5: give failures in a row (10) or their share (0.5)"),
        ("margin = 5.0", "margin: it is a part of the job's time"),
        ("walltime = 30.0", "the margin of 60 s leaves no time"),
        ("stopper_settings = {eta = 3}", "there is no stopper"),
        ("searcher = 'amb'", "unknown searcher 'amb' (did you mean 'ambs'?)"),
        ("searcher_settings = {kapa = 3}", "unknown setting of ambs 'kapa' (did you mean 'kappa'?)"),
        ("searcher = 'random'\nwarm_start = ['a.csv']", "random search learns nothing"),
        ("evaluator = 'proces'", "unknown evaluator 'proces' (did you mean 'process'?)"),
        ("evaluator_settings = {ray_addres = 'auto'}", "(did you mean 'ray_address'?)"),
        ("evaluator_settings = {ray_address = 3}", "ray_address=3: Input should be a valid string"),
        ("evaluator_settings = {workflow = 'a'}", "workflow: it belongs to the evaluator balsam"),
        ("trial = {gpu = 1}", "unknown setting of trial 'gpu' (did you mean 'gpus'?)"),
        ("trial = {cores = -1}", "trial.cores=-1: give a whole number from 1 on"),
        ("run_kwargs = {a = nan}", "run_kwargs.a: NaN equals nothing"),
        ("run_kwargs = {a = 2026-01-01}", "run_kwargs.a: a value of type date cannot be kept"),
        ("max_evals =", "not TOML"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file(tmp_path, text, said):
    path = tmp_path / "search.toml"
    path.write_text(f"problem = 'problem.py'\nrun = 'run.py'\n{text}\n")
    with pytest.raises(UserError) as raised:
        read_settings(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_without_a_problem_is_refused(tmp_path):
    path = tmp_path / "search.toml"
    path.write_text("run = 'run.py'\n")
    with pytest.raises(UserError, match="problem is missing: name the space"):
        read_settings(path)
