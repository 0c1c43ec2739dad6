"""Files that a user names: paths, folders, and trials of a search."""

import pytest
from journals import write_journal

import dh_project as dh
from dh_project.common.errors import UserError
from dh_project.results import records
from dh_project.results.identity import Identity
from dh_project.results.paths import SearchPaths

IDENTITY = Identity("p.Problem", {"space": {}}, "p.run", {"epochs": 2}, seed=42)


def trial(number, objective, attempt=1):
    event = {"trial": number, "attempt": attempt}
    start = {"kind": "start", "at": 0.0, **event, "point": {"x": number}, "origin": "ambs"}
    end = {
        "kind": "end",
        "at": 1.0,
        **event,
        "state": "done" if objective else "failed",
        "objective": objective,
    }
    return [start, {**end, "reason": None if objective else "boo", "facts": {}, "worker": "host:1"}]


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Return a search of three trials: 1 is the best, 2 is the last and failed, 0 has two attempts."""
    monkeypatch.chdir(tmp_path)
    paths = SearchPaths(tmp_path / "search")
    paths.folder.mkdir()
    attempts = [
        trial(0, 1.0)[0],
        records.session(0.0, {}),
        *trial(0, 1.0, attempt=2),
        *trial(1, 2.0),
        *trial(2, None),
    ]
    write_journal(paths.journal, [records.search(IDENTITY), *attempts])
    for number, attempt in ((0, 1), (0, 2), (1, 1), (2, 1)):
        folder = paths.trial(number, attempt)
        folder.mkdir(parents=True)
        (folder / "log.txt").touch()
    for number, attempt in ((0, 1), (1, 1)):
        (paths.trial(number, attempt) / "model.pt").touch()
    (paths.trial(1, 1) / "more").mkdir()
    (paths.trial(1, 1) / "more/table.csv").touch()
    return paths


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("search:1", "0001/attempt-1/model.pt"),
        ("search:best", "0001/attempt-1/model.pt"),
        ("search:last:log.txt", "0002/attempt-1/log.txt"),
        ("search:best:more/table.csv", "0001/attempt-1/more/table.csv"),
        ("search:best:log", "0001/attempt-1/log.txt"),
        ("search:0:log.txt", "0000/attempt-2/log.txt"),
        ("search:0", "0000/attempt-1/model.pt"),
    ],
)
def test_a_file_of_a_trial_comes_from_its_newest_attempt_that_has_one(search, text, found):
    path = dh.find_file(text, "model.pt", {"log": "log.txt"})
    assert str(path.relative_to("search/trials")) == found


def test_a_path_or_a_folder_names_a_file(search):
    folder = search.trial(1, 1)
    assert dh.find_file(str(folder), "model.pt") == folder / "model.pt"
    assert dh.find_file(str(folder / "log.txt"), "model.pt") == folder / "log.txt"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a model without a name"),
        ("search", "is a search: name one of its trials, as in search:7"),
        ("search:7", "has no trial '7'; its trials: 0 to 2"),
        ("search:2", r"trial 2 of search left no model.pt .*\(failed: boo\)"),
        ("search:1:modl.pt", r"left no modl.pt \(did you mean 'model.pt'\?\)"),
        ("search/trials:1", "search/trials is no search"),
        ("search/trials", "holds no model.pt"),
        ("serch", "there is no model serch"),
    ],
)
def test_a_missing_file_is_refused_with_advice(search, text, said):
    with pytest.raises(UserError, match=said):
        dh.find_file(text, "model.pt", what="model")


def test_a_file_tells_the_call_that_made_it(search, tmp_path):
    origin = dh.find_origin(search.trial(1, 1) / "model.pt")
    assert (origin.run, origin.point, origin.run_kwargs) == ("p.run", {"x": 1}, {"epochs": 2})
    assert dh.find_origin(tmp_path / "model.pt") is None
