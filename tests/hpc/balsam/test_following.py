"""Each record of a growing journal is read once, when it is complete."""

from dh_project.hpc.balsam.jobs.following import JournalTail
from dh_project.results.history import Identity
from dh_project.results.journal import encode
from dh_project.results.records import end, search, start
from dh_project.trial.events import Ended
from dh_project.trial.trial import State, Trial


def lines_of(count):
    """Return the journal lines of a search with this number of ended trials."""
    records = [search(Identity("p.Problem", {}, "r.run", {}, 42))]
    for number in range(count):
        records.append(start(1.0, Trial(number, {"x": 1.0}, "random"), 1))
        records.append(end(2.0, Ended(number, 1, State.DONE, float(number)), State.DONE, False))
    return [encode(record) for record in records]


def test_a_journal_that_is_not_there_yet_tells_nothing(tmp_path):
    tail = JournalTail(tmp_path / "journal.jsonl")
    tail.read()
    assert tail.history.ended == []


def test_however_it_grows_each_trial_ends_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    tail, content = JournalTail(path), b"".join(lines_of(4))
    for length in range(0, len(content) + 1, 37):
        path.write_bytes(content[:length])
        tail.read()
    path.write_bytes(content)
    tail.read()
    tail.read()
    assert [trial.objective for trial in tail.history.ended] == [0.0, 1.0, 2.0, 3.0]
