"""The notes of a session to its observer before the search begins."""

import pytest

import dh_project as dh
from dh_project.hps.observer import Observer


class EnoughError(Exception):
    pass


class Until(Observer):
    """Keeps the notes, and ends the session at the note that says this or at the first turn."""

    def __init__(self, text):
        self.text, self.notes = text, []

    def note(self, text):
        self.notes.append(text)
        if self.text in text:
            raise EnoughError

    def turn(self, history, elapsed):
        raise EnoughError


@pytest.mark.parametrize(
    ("limit", "is_endless"), [({}, True), ({"max_evals": 1}, False), ({"timeout": 60.0}, False)]
)
def test_a_search_without_a_limit_says_so(samples, tmp_path, limit, is_endless):
    observer = Until("no limit of trials or time")
    with pytest.raises(EnoughError):
        dh.search(
            str(samples / "small_problem.py"),
            str(samples / "small_run.py"),
            folder=tmp_path / "search",
            evaluator="process",
            progress=observer,
            **limit,
        )
    assert any("no limit" in note for note in observer.notes) == is_endless
