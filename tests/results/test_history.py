import pytest

from dh_project.common.errors import UserError
from dh_project.results import records
from dh_project.results.history import History
from dh_project.results.identity import Identity
from dh_project.trial.trial import State

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
    history = History.replay([records.search(IDENTITY), start(0)])
    assert history.trials[0].state is State.RUNNING
    history.apply({"kind": "report", "at": 0.5, "trial": 0, "attempt": 1, "step": 1, "objective": 0.2})
    history.apply(end(0, objective=0.75, facts={"test_mae": 0.1}))
    trial = history.trials[0]
    assert (trial.state, trial.objective, trial.reports) == (State.DONE, 0.75, [(1, 0.2)])
    assert trial.metadata == {"test_mae": 0.1}


def test_elapsed_is_what_the_records_account_for():
    assert History.replay([start(0, at=2.0), end(0, at=5.5)]).elapsed == 5.5


def test_elapsed_time_never_goes_back():
    assert History.replay([start(0, at=5.0), end(0, at=3.0)]).elapsed == 5.0


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
        ({"run_kwargs": {"epochs": 3}}, "--run-kwargs epochs was 2 there and is 3 now"),
        ({"run_kwargs": {}}, "--run-kwargs was {'epochs': 2} there and is {} now"),
    ],
)
def test_what_differs_between_two_searches_is_said(change, said):
    assert said in (IDENTITY.difference(Identity(**{**vars(IDENTITY), **change})) or "")


def test_the_version_of_configspace_is_no_difference():
    spaces = [{"space": {"hyperparameters": [], "python_module_version": v}} for v in ("1.2.2", "1.3.0")]
    one, other = (Identity(**{**vars(IDENTITY), "space": space}) for space in spaces)
    assert one.difference(other) is None


def test_a_search_is_the_same_as_itself():
    assert IDENTITY.difference(Identity(**vars(IDENTITY))) is None


def test_a_folder_without_a_journal_is_no_search(tmp_path):
    with pytest.raises(UserError, match="no search"):
        History.read(tmp_path)


def session(at=0.0):
    return {"kind": "session", "at": at}


def test_what_ran_when_a_session_begins_had_been_interrupted():
    history = History.replay([session(), start(0), start(1), end(0, at=1.0), session(at=2.0)])
    assert [list(history.running), list(history.paused)] == [[], [1]]
    assert history.trials[1].state is State.PAUSED


def test_trials_are_counted_by_state():
    history = History.replay(
        [start(0), start(1), start(2), end(1, "paused", None, at=1.0), end(0, at=2.0), start(1, attempt=2)]
    )
    assert (list(history.running), list(history.paused)) == ([2, 1], [])
    assert history.ended == [history.trials[0]]


def test_the_first_sign_of_an_attempt_is_a_report_or_an_objective():
    report = {"kind": "report", "trial": 0, "step": 1, "objective": 0.5}
    history = History.replay(
        [
            *[start(0, at=1.0), {**report, "at": 4.0}, {**report, "at": 9.0}, end(0, at=10.0)],
            *[start(1, at=10.0), end(1, at=12.0)],
            *[start(2, at=12.0), end(2, "failed", None, at=19.0)],
        ]
    )
    assert history.first_signs == [3.0, 2.0]


def test_what_other_searches_found_is_known_and_is_no_trial():
    history = History.replay(
        [{"kind": "source", "path": "old.csv", "results": [[{"x": 1.0}, 0.5], [{"x": 2.0}, None]]}]
    )
    assert [(trial.id, trial.state) for trial in history.known] == [(-1, State.DONE), (-2, State.FAILED)]
    assert history.sources == {"old.csv"}
    assert not history.trials


def test_the_last_session_s_labels_count_and_those_it_does_not_name_stay():
    history = History.replay(
        [
            {"kind": "session", "at": 0.0, "labels": {"experiment": "first", "tag_site": "polaris"}},
            {"kind": "session", "at": 1.0, "labels": {"experiment": "second"}},
            {"kind": "session", "at": 2.0},
        ]
    )
    assert history.labels == {"experiment": "second", "tag_site": "polaris"}


def test_facts_of_earlier_attempts_stay_unless_they_are_recorded_again():
    history = History.replay(
        [
            *[start(0), end(0, "paused", None, facts={"epochs": 3, "threads": 4}, at=1.0)],
            *[start(0, attempt=2, at=2.0), end(0, facts={"epochs": 9}, at=3.0)],
        ]
    )
    assert history.trials[0].metadata == {"epochs": 9, "threads": 4}


def test_an_end_counts_as_a_loss_only_if_the_record_says_so():
    history = History.replay(
        [
            *[
                start(0),
                end(0, "paused", None, lost=True),
                start(0, attempt=2),
                end(0, "paused", None, lost=False),
            ],
            *[start(0, attempt=3), end(0, "paused", None)],  # as schema 1 has it
        ]
    )
    assert history.trials[0].losses == 1


def test_how_long_an_adopted_attempt_took_to_report_is_not_known():
    history = History.replay(
        [
            session(),
            start(0, at=1.0),
            session(at=9.0),
            {"kind": "adopt", "at": 9.0, "trial": 0},
            end(0, at=10.0),
        ]
    )
    assert (history.first_signs, history.trials[0].state) == ([], State.DONE)


def test_each_attempt_has_a_first_sign_of_its_own():
    report = {"kind": "report", "trial": 0, "step": 1, "objective": 0.5}
    history = History.replay(
        [
            *[start(0, at=1.0), {**report, "at": 2.0}, end(0, "paused", None, at=3.0)],
            *[start(0, attempt=2, at=10.0), {**report, "at": 14.0}],
        ]
    )
    assert history.first_signs == [1.0, 4.0]


def test_a_trial_that_is_attempted_again_is_no_ended_one_and_starts_first():
    history = History.replay(
        [start(0), start(1), end(0, "failed", None), end(1), {"kind": "retry", "at": 2.0, "trial": 0}]
    )
    assert ([trial.id for trial in history.ended], list(history.paused)) == ([1], [0])


# ---- what schema 3 has for later versions


def test_a_parked_trial_is_neither_ended_nor_running_until_it_is_started_again():
    history = History.replay([start(0), end(0, "parked", None), session(at=2.0)])
    assert history.trials[0].state is State.PARKED
    assert not history.trials[0].state.has_ended
    assert (list(history.parked), history.paused, history.running, history.ended) == ([0], {}, {}, [])
    history.apply(start(0, attempt=2, at=3.0))
    assert (history.parked, list(history.running), history.trials[0].attempt) == ({}, [0], 2)
    history.apply(end(0, attempt=2, at=4.0))
    assert history.best is history.trials[0]


def test_a_failure_that_is_retried_is_counted_and_leaves_no_row():
    history = History.replay([start(0), end(0, "paused", None, failed=True), start(0, attempt=2)])
    assert (history.trials[0].failures, history.ended) == (1, [])
    history.apply(end(0, "failed", None, attempt=2))
    assert (history.trials[0].failures, len(history.ended)) == (1, 1)


def test_the_parent_of_a_trial_and_all_its_objectives_are_kept():
    history = History.replay([start(0), end(0), {**start(1), "parent": 0}, end(1, objectives=[1.0, -3.0])])
    assert [trial.parent for trial in history.ended] == [None, 0]
    assert [trial.objectives for trial in history.ended] == [None, [1.0, -3.0]]


# ---- records that do not follow each other


@pytest.mark.parametrize(
    "records",
    [
        [end(0)],
        [start(0), start(0)],
        [start(0), start(0, attempt=2)],
        [start(0, attempt=2)],
        [start(0), end(0, "paused", None), start(0)],
        [start(0), end(0), end(0)],
        [start(0), end(0), start(0, attempt=2)],
        [start(0), end(0, "no such state")],
        [records.search(IDENTITY), records.search(IDENTITY)],
    ],
)
def test_records_that_no_search_writes_are_refused(records):
    with pytest.raises((KeyError, ValueError)):
        History.replay(records)
