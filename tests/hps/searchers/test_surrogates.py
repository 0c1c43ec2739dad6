from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.hps.searchers.surrogates import most_telling
from dh_project.trial.trial import State, Trial


def trials(objectives):
    return [
        Trial(n, {}, "any", 1, State.FAILED if value is None else State.DONE, value)
        for n, value in enumerate(objectives)
    ]


def test_few_trials_are_told_all():
    ended = trials([1.0, None, 3.0])
    assert most_telling(ended, 3) == ended


def test_of_many_the_best_half_is_told_and_others_from_the_whole_search():
    told = [trial.id for trial in most_telling(trials([float(n == 50 or n == 51) for n in range(100)]), 4)]
    assert told == [0, 50, 51, 99]


def test_failures_are_among_the_others_never_among_the_best():
    told = most_telling(trials([None] * 50 + [float(n) for n in range(50)]), 20)
    assert len(told) == 20
    assert {trial.id for trial in told} >= set(range(90, 100))
    assert any(trial.objective is None for trial in told)


def test_auto_is_a_gaussian_process_if_there_are_few_features():
    assert [AMBSSettings().surrogate_for(width) for width in (3, 50, 51)] == ["GP", "GP", "ET"]
    assert AMBSSettings("RF").surrogate_for(3) == "RF"
