from pathlib import Path

import numpy as np
import pytest

from dh_project import HpProblem
from dh_project.cli.analytics import main
from dh_project.hps.model_choice import LARGEST_JOURNAL, model_choice, model_choice_beside
from dh_project.hps.summary import print_summary
from dh_project.results.history import History
from dh_project.results.identity import Identity
from dh_project.results.search_results import SearchResults
from dh_project.trial.trial import State, Trial


def history_of(objectives):
    """Return the history of a search of x in [0, 1], with one trial for each objective, from x = 0 to 1."""
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    places = np.linspace(0, 1, len(objectives))
    ended = [
        Trial(n, {"x": float(x)}, "random", 1, State.DONE, float(objective))
        for n, (x, objective) in enumerate(zip(places, objectives, strict=True))
    ]
    identity = Identity(None, problem.to_json(), "run.py:run", {}, 1)
    best = max(ended, key=lambda trial: trial.objective)
    return History(identity, {trial.id: trial for trial in ended}, ended=ended, best_ended=best)


@pytest.fixture
def lucky():
    """Return a noisy search whose best observed trial is trial 12, far from the optimum at trial 42."""
    objectives = -((np.linspace(0, 1, 60) - 0.7) ** 2) + 0.05 * np.random.default_rng(1).normal(size=60)
    objectives[12] = 0.15
    return history_of(objectives)


def test_the_choice_is_named_if_the_best_objective_is_a_lucky_one(lucky):
    line = model_choice(lucky)
    assert line.startswith("the model expects trial ")
    assert 33 <= int(line.split()[4]) <= 51
    assert line.endswith("trial 12 (objective 0.15) may have been lucky")


def test_nothing_is_said_if_the_model_chooses_the_best_trial():
    assert model_choice(history_of(-((np.linspace(0, 1, 30) - 0.7) ** 2))) is None


def test_nothing_is_said_of_a_journal_without_a_search():
    assert model_choice(History()) is None


def test_a_stopped_trial_is_not_chosen(lucky):
    for trial in lucky.ended[20:]:
        trial.state = State.STOPPED
    line = model_choice(lucky)
    assert line is None or int(line.split()[4]) < 20


def test_the_summary_names_the_choice(lucky, capsys):
    print_summary(SearchResults(Path("search"), lucky))
    assert "model     expects trial" in capsys.readouterr().out


def test_topk_names_the_choice_beside_its_output(lucky, capsys, monkeypatch, tmp_path):
    for module in ("dh_project.results.reading", "dh_project.hps.model_choice"):
        monkeypatch.setattr(f"{module}.history_beside", lambda path, rows=None: lucky)
    (tmp_path / "journal.jsonl").touch()
    (tmp_path / "results.csv").write_text("p:x,objective,job_id,job_status\n0.2,0.15,12,DONE\n")
    assert main(["topk", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "the model expects" in said.err
    assert "model" not in said.out


def test_topk_does_not_read_a_very_large_journal_for_it(tmp_path):
    with (tmp_path / "journal.jsonl").open("w") as journal:
        journal.truncate(LARGEST_JOURNAL + 1)  # reading these zeros would be refused
    assert model_choice_beside(tmp_path / "results.csv") is None
