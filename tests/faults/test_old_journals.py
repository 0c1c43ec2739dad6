"""Journals of earlier versions, kept as they were, open unchanged and go on; newer ones are refused."""

import json

import pytest
from harness import assert_nothing_is_lost, say

from dh_project.results.history import History
from dh_project.results.journal import encode_commits, scan
from dh_project.trial.trial import State

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TORN = b'{"kind":"end","at":3.0,"trial":2,"att'


@pytest.fixture(params=[b"", TORN], ids=["whole", "torn"])
def old_search(request, samples, search_command):
    """A search whose folder holds the journal of schema 1: a done, a failed and an interrupted trial."""
    search = search_command(run="of_an_old_version", workers=1)
    search.log_dir.mkdir()
    search.journal.write_bytes((samples / "journals" / "schema-1.jsonl").read_bytes() + request.param)
    for record in search.records():
        if record["kind"] == "end" and record["state"] == "done":  # its run function ended long ago
            point = next(r["point"] for r in search.records() if r.get("trial") == record["trial"])
            evidence = [record["trial"], record["attempt"], point]
            (search.folder / "evidence").write_text(json.dumps(evidence) + "\n")
    return search


def test_it_is_read_and_not_changed(old_search):
    before = old_search.journal.read_bytes()
    history = History.read(old_search.log_dir)
    assert [history.trials[number].state for number in (0, 1)] == [State.DONE, State.FAILED]
    assert not history.trials[2].state.has_ended
    assert history.trials[0].objective == 2.0
    assert history.trials[0].reports == [(1, 0.5), (2, 1.5)]
    assert "no such luck" in history.trials[1].reason
    assert len(history.ended) == 2
    assert old_search.journal.read_bytes() == before


def test_the_same_command_goes_on_with_it(old_search):
    before = old_search.sound_part()
    old_search.run("--max-evals", 5)
    assert_nothing_is_lost(old_search, 5)
    assert old_search.journal.read_bytes().startswith(before)
    attempts = {int(row["job_id"]): int(row["m:attempt"]) for row in old_search.rows()}
    assert attempts == {0: 1, 1: 1, 2: 2, 3: 1, 4: 1}


def test_a_newer_one_is_refused_in_plain_words(old_search):
    records, _ = scan(old_search.journal)
    newer = encode_commits([{**records[0], "schema": 1000}, *records[1:]])
    old_search.journal.write_bytes(newer)
    session = old_search.start("--max-evals", 5)
    assert session.end() == 2
    say(session.complained)
    assert len(session.complained.strip().splitlines()) == 1
    assert "newer" in session.complained
    assert "upgrade" in session.complained
    assert old_search.journal.read_bytes() == newer
