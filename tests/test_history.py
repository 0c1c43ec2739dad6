import pytest

from dh_project.errors import UserError
from dh_project.history import History, Identity, search_record
from dh_project.trial import State

IDENTITY = Identity("p.Problem", {"space": {}}, "p.run", {"epochs": 2}, seed=42)


def start(trial, attempt=1, at=0.0):
    return {
        "kind": "start",
        "at": at,
        "trial": trial,
        "attempt": attempt,
        "point": {"x": trial},
        "origin": "ambs",
    }


def end(trial, state="done", objective=1.0, at=1.0, attempt=1, **more):
    record = {
        "kind": "end",
        "at": at,
        "trial": trial,
        "attempt": attempt,
        "state": state,
        "objective": objective,
    }
    return {**record, "reason": None, "facts": {}, "worker": "host:1", **more}


def test_records_move_a_trial_through_its_states():
    history = History.replay([search_record(IDENTITY, {}), start(0)])
    assert history.trials[0].state is State.RUNNING
    history.apply({"kind": "report", "at": 0.5, "trial": 0, "attempt": 1, "step": 1, "objective": 0.2})
    history.apply(end(0, objective=0.75, facts={"test_mae": 0.1}))
    trial = history.trials[0]
    assert (trial.state, trial.objective, trial.reports) == (State.DONE, 0.75, [(1, 0.2)])
    assert trial.facts == {"test_mae": 0.1}


def test_elapsed_is_what_the_records_account_for():
    assert History.replay([start(0, at=2.0), end(0, at=5.5)]).elapsed == 5.5


def test_the_best_is_the_earlier_of_equals_and_never_a_failure():
    history = History.replay(
        [start(n) for n in range(4)]
        + [end(3, at=1.0, objective=2.0), end(1, at=2.0, objective=2.0), end(0, at=3.0, objective=1.0)]
        + [end(2, "failed", None, at=4.0)]
    )
    assert history.best is history.trials[3]


def test_ended_trials_come_in_the_order_of_their_ends():
    history = History.replay([start(0), start(1), end(1, at=1.0), end(0, at=2.0)])
    assert [trial.id for trial in history.ended] == [1, 0]


def test_a_second_attempt_keeps_the_time_of_the_first():
    history = History.replay([start(0, at=1.0), end(0, "paused", None, at=2.0), start(0, attempt=2, at=9.0)])
    assert (history.trials[0].attempt, history.trials[0].submitted) == (2, 1.0)


def test_a_kind_of_record_that_is_not_known_is_passed_over():
    assert History.replay([start(0), {"kind": "from the future", "at": 7.0}]).elapsed == 7.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "--seed was 42 there and is 1 now"),
        ({"run": "q.run"}, "--run was"),
        ({"problem": "q.Problem"}, "--problem was"),
        ({"run_kwargs": {"epochs": 3}}, "--run-kwargs was"),
        ({"space": {"space": {"x": 1}}}, "space"),
    ],
)
def test_what_differs_between_two_searches_is_said(change, said):
    assert said in (IDENTITY.difference(Identity(**{**vars(IDENTITY), **change})) or "")


def test_a_search_is_the_same_as_itself():
    assert IDENTITY.difference(Identity(**vars(IDENTITY))) is None


def test_a_folder_without_a_journal_is_no_search(tmp_path):
    with pytest.raises(UserError, match="no search"):
        History.read(tmp_path)
