from pathlib import Path

from dh_project.hps.summary import print_summary
from dh_project.results.history import History
from dh_project.results.search_results import SearchResults
from dh_project.trial.trial import STAND_IN, State, Trial


def shown(capsys, origins):
    trials = {
        number: Trial(number, {"x": 0.5}, origin, 1, State.DONE, 1.0) for number, origin in enumerate(origins)
    }
    history = History(trials=trials, ended=list(trials.values()), best_ended=trials[0])
    print_summary(SearchResults(Path("search"), history))
    return " ".join(capsys.readouterr().out.split())


def test_the_summary_says_for_how_many_points_the_searcher_failed(capsys):
    said = "searcher failed for 2 of 3 points, which are random; search/deephyper.log says why"
    assert said in shown(capsys, ["ambs", STAND_IN, STAND_IN])


def test_the_summary_of_a_searcher_that_did_not_fail_does_not_speak_of_it(capsys):
    assert "searcher" not in shown(capsys, ["ambs", "random"])
