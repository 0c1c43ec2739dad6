"""The stopper of a search if none is named: what the search began with, or asha for ambs if the run resumes."""

import pytest

import dh_project as dh
from dh_project.hps.default_stopper import chosen_stopper
from dh_project.hps.settings import SearchSettings
from dh_project.results.journal import SCHEMA, encode_commits
from dh_project.results.paths import SearchPaths

RUNS = """
import dh_project as dh

def run(point):
    return point["x"]

@dh.resumable
def resuming(point):
    return point["x"]
"""


@pytest.fixture
def chosen(tmp_path):
    """Return a function that returns the name and the settings of the stopper of a search in ``tmp_path``."""
    (tmp_path / "run.py").write_text(RUNS)

    def chosen(run="resuming", fresh=False, **settings):
        given = SearchSettings(
            problem="problem.py", run=f"{tmp_path}/run.py:{run}", folder=tmp_path, **settings
        )
        return chosen_stopper(given, SearchPaths(tmp_path), fresh)

    return chosen


def begun(tmp_path, **session):
    """Write the journal of a search whose first session had these settings."""
    first = {"kind": "search", "schema": SCHEMA, "identity": {}}
    records = [first, {"kind": "session", "schema": SCHEMA, "at": 0.0, **session}]
    (tmp_path / "journal.jsonl").write_bytes(encode_commits(records))


def test_trials_that_can_resume_are_parked(chosen):
    assert chosen() == ("asha", {}, True)


@pytest.mark.parametrize("settings", [{"run": "run"}, {"searcher": "random"}, {"stopper": "none"}])
def test_others_run_to_their_ends(chosen, settings):
    assert chosen(**settings).name == "none"


def test_the_stopper_that_is_named_counts(chosen):
    named = {"stopper": "bandit", "stopper_settings": {"slack_factor": 0.2}}
    assert chosen(**named) == ("bandit", {"slack_factor": 0.2}, False)


def test_a_search_keeps_the_stopper_that_it_began_with(chosen, tmp_path):
    begun(tmp_path, stopper="asha", stopper_settings={"eta": 3})
    assert chosen(run="run") == ("asha", {"eta": 3}, False)


@pytest.mark.parametrize(
    "session", [{"stopper": None}, {"stopper": "median"}, {"stopper": "none", "stopper_settings": {}}]
)
def test_a_search_that_began_without_one_or_in_an_earlier_version_has_none(chosen, tmp_path, session):
    begun(tmp_path, **session)
    assert chosen().name == "none"


def test_a_fresh_search_has_the_default(chosen, tmp_path):
    begun(tmp_path, stopper=None)
    assert chosen(fresh=True).name == "asha"


def test_the_crystal_graph_network_and_classes_resume():
    from dh_project.cgcnn_mp.model_run import run
    from dh_project.user_code.resumable import can_resume
    from dh_project.user_code.trainables.base import Trainable

    assert can_resume(run)
    assert can_resume(Trainable)
    assert not can_resume(dh.run_best)
