"""No recorded fact makes a trial fail."""

import pytest

from dh_project.trial.reporting import Connection, connect
from dh_project.worker.attempt_result import result_of_value
from dh_project.worker.metadata import plain_value


class Kept(Connection):
    def __init__(self):
        self.facts = {}

    def record(self, facts):
        self.facts |= facts


class Broken:
    def __float__(self):
        raise RuntimeError("no number")

    def __str__(self):
        raise RuntimeError("no text")


@pytest.fixture
def kept():
    connection = Kept()
    connect(connection)
    yield connection.facts
    connect(Connection())


@pytest.mark.parametrize(
    ("metadata", "facts"),
    [
        ({1: "fold one"}, {"1": "fold one"}),
        ([1, 2], {"metadata": [1, 2]}),
        (None, {}),
        ("note", {"metadata": "note"}),
    ],
)
def test_metadata_of_any_kind_leaves_the_trial_done(kept, metadata, facts):
    assert result_of_value({"objective": 0.5, "metadata": metadata})["objective"] == 0.5
    assert kept == facts


def test_an_odd_object_becomes_a_json_value():
    for value in (Broken(), 10**5000, b"12", {1: 2}, 1j, float("nan"), object, [Broken()]):
        assert isinstance(plain_value(value), str | type(None))
