"""A search is the same search wherever its files lie, and another one if something that matters differs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dh_project import HpProblem
from dh_project.results.identity import Identity


def space(**dimensions):
    problem = HpProblem()
    for name, value in {"lr": (1e-4, 1.0, "log-uniform"), "optim": ["SGD", "Adam"], **dimensions}.items():
        if value is not None:
            problem.add_dim(name, value)
    return problem.to_json()


HERE = Identity(
    "/a/net/problem.py",
    space(),
    "/a/net/run.py",
    {"data": "/a/crystals", "epochs": 2},
    42,
    names={"problem": "problem.py:Problem", "run": "run.py:run"},
    data={"data": "1234"},
    code="abcd",
)


@pytest.mark.parametrize(
    "change",
    [
        {"run": "/b/net/run.py", "problem": "/b/net/problem.py"},
        {"run_kwargs": {"data": "/b/crystals-2", "epochs": 2}},
        {"code": "another"},
    ],
)
def test_what_was_moved_or_edited_is_the_same_search(change):
    assert HERE.difference(replace(HERE, **change)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"data": "5678"}}, "--run-kwargs data: the content of the data has changed"),
        (
            {"run_kwargs": {"data": "/a/crystals", "epochs": 3}},
            "--run-kwargs epochs was 2 there and is 3 now",
        ),
        ({"run": "/b/net/run.py", "code": "another"}, "--run was '/a/net/run.py' there"),
        ({"space": space(lr=(1e-3, 1.0, "log-uniform"))}, "lr: lower was 0.0001 there and is 0.001 now"),
        ({"space": space(lr=(1e-4, 1.0))}, "lr: log was True there and is False now"),
        ({"space": space(optim=["SGD"])}, "optim: choices was ['SGD', 'Adam'] there and is ['SGD'] now"),
        ({"space": space(n_conv=(1, 5))}, "hyperparameter 'n_conv' is new"),
        ({"space": space(optim=None)}, "hyperparameter 'optim' is gone"),
        (
            {"space": space() | {"starting_points": [{"lr": 1.0}]}},
            "starting point 0 was None there and is {'lr': 1.0}",
        ),
    ],
)
def test_what_differs_is_named(change, said):
    assert said in (HERE.difference(replace(HERE, **change)) or "")


def test_a_package_keeps_its_name_when_its_folder_and_its_code_change():
    one = replace(HERE, run="demo.net.run", names={"run": "demo.net.run"})
    other = replace(HERE, run="/b/demo/net.py", names={"run": "demo.net.run"}, code="another")
    assert one.difference(other) is None


@pytest.mark.parametrize(
    ("recorded", "name", "is_same"),
    [
        ("/a/run.py", "run.py:run", True),
        ("/a/run.py:train", "run.py:train", True),
        ("/a/run.py:train", "run.py:run", False),
        ("/a/demo/net/model_run.py", "demo.net.model_run.run", True),
        ("/a/net/model_run.py", "demo.net.model_run.run", False),
        ("demo.net.model_run.run", "demo.net.model_run.run", True),
    ],
)
def test_a_journal_of_an_older_version_with_paths_goes_on(recorded, name, is_same):
    old = Identity("/a/p.Problem", space(), recorded, {"data": "crystals"}, 42)
    now = replace(
        old,
        run="/b/somewhere.py",
        run_kwargs={"data": "/b/crystals"},
        names={"run": name},
        data={"data": "1234"},
        code="abcd",
    )
    assert (old.difference(now) is None) == is_same


def test_bounds_that_an_older_version_rounded_are_the_same():
    now = space(ratio=(0.0, 1 / 3), eps=(6e-14, 1e-8, "log-uniform"))
    old = json.loads(json.dumps(now))
    for each in old["space"]["hyperparameters"]:
        for name, value in each.items():
            each[name] = round(value, 13) if isinstance(value, float) else value
    assert replace(HERE, space=old).difference(replace(HERE, space=now)) is None


def test_a_changed_condition_is_named():
    def with_condition(value):
        import ConfigSpace as cs

        problem = HpProblem()
        optim, lr = problem.add_dim("optim", ["SGD", "Adam"]), problem.add_dim("lr", (0.0, 1.0))
        problem.add_condition(cs.EqualsCondition(lr, optim, value))
        return replace(HERE, space=problem.to_json())

    said = with_condition("SGD").difference(with_condition("Adam")) or ""
    assert "the conditions of the space have changed" in said
    assert '"value": "SGD"' in said


def test_an_identity_comes_back_from_the_journal():
    record = json.loads(json.dumps(vars(HERE)))
    assert Identity(**record).difference(HERE) is None
    assert Path(Identity(**record).run) == Path(HERE.run)
