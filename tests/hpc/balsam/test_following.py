"""Each record of a growing journal is read once, when it is complete."""

from dh_project.results.history import Replay
from dh_project.results.identity import Identity
from dh_project.results.journal import encode_commits
from dh_project.results.paths import SearchPaths
from dh_project.results.records import end, search, start
from dh_project.trial.events import Ended
from dh_project.trial.trial import State, Trial


def journal_of(count):
    """Return the journal of a search with this number of ended trials."""
    records = [search(Identity("p.Problem", {}, "r.run", {}, 42))]
    for number in range(count):
        records.append(start(1.0, Trial(number, {"x": 1.0}, "random"), 1))
        records.append(end(2.0, Ended(number, 1, State.DONE, float(number)), State.DONE, False))
    return encode_commits(*([record] for record in records))


def test_a_journal_that_is_not_there_yet_tells_nothing(tmp_path):
    tail = Replay(SearchPaths(tmp_path))
    tail.read()
    assert tail.history.ended == []


def test_however_it_grows_each_trial_ends_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    tail, content = Replay(SearchPaths(tmp_path)), journal_of(4)
    for length in range(0, len(content) + 1, 37):
        path.write_bytes(content[:length])
        tail.read()
    path.write_bytes(content)
    tail.read()
    tail.read()
    assert [trial.objective for trial in tail.history.ended] == [0.0, 1.0, 2.0, 3.0]
