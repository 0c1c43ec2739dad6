"""A writer of the journal is killed in the middle of a record, at every byte of it."""

import json
import random
import subprocess
import sys
import time

import journal_writer
import pytest
from harness import HERE, SearchCommand, assert_nothing_is_lost, say, wait_until

from dh_project.results.journal import scan
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths

pytestmark = [pytest.mark.faults, pytest.mark.slow]

WRITER = [sys.executable, str(HERE / "journal_writer.py")]
NEXT = {"kind": "start", "trial": 2}


def test_a_writer_killed_at_every_byte_of_an_append_loses_nothing_from_before(tmp_path):
    subprocess.run([*WRITER, "every-byte", str(tmp_path)], check=True, timeout=120)
    for byte in range(journal_writer.SIZE + 1):
        recorded = journal_writer.BEFORE + journal_writer.TORN * (byte == journal_writer.SIZE)
        paths = SearchPaths(tmp_path / str(byte))
        assert scan(paths.journal)[0] == recorded, f"a reader, byte {byte}"
        with Journal(paths) as journal:
            assert journal.cut == byte % journal_writer.SIZE, f"the next writer, byte {byte}"
            journal.append(NEXT)
            journal.commit()
        assert scan(paths.journal)[0] == [*recorded, NEXT], f"repaired, byte {byte}"
    say(f"killed {byte + 1} writers, one at each byte of an append of {byte} bytes")


def test_what_a_writer_said_is_on_record_is_there_after_a_kill_at_any_instant(tmp_path):
    rng = random.Random(7)
    journal, said = tmp_path / "journal.jsonl", tmp_path / "said"
    for _ in range(12):
        with said.open("wb") as file:
            writer = subprocess.Popen([*WRITER, "for-ever", str(tmp_path)], stdout=file)
        wait_until(lambda: b"\n" in said.read_bytes(), "it writes")
        time.sleep(rng.uniform(0.0, 0.05))
        writer.kill()
        writer.wait()
        last = int(said.read_text().split("\n")[-2])
        records, sound = scan(journal)
        torn = journal.stat().st_size - sound
        say(f"killed a writer that had said {last}: {len(records)} records and {torn} bytes are there")
        assert [record["trial"] for record in records] == list(range(len(records)))
        assert last <= len(records) <= last + 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The journal and the folder of a finished search of four trials."""
    search = SearchCommand(tmp_path_factory.mktemp("finished"), "--max-evals", 4)
    try:
        search.run()
    finally:
        search.clean_up()
    return search


@pytest.mark.parametrize("kind", ["search", "start", "report", "end"])
def test_the_search_goes_on_from_a_journal_torn_in_a_record(search_command, finished, kind):
    rng = random.Random(kind)
    lines = finished.journal.read_bytes().splitlines(keepends=True)
    number = rng.choice([i for i, line in enumerate(lines) if f'"kind":"{kind}"'.encode() in line])
    byte = rng.randrange(1, len(lines[number]))
    search = search_command("--max-evals", 6)
    search.log_dir.mkdir()
    search.journal.write_bytes(b"".join(lines[:number]) + lines[number][:byte])
    say(f"tore the {kind} record in line {number + 1} after {byte} of {len(lines[number])} bytes")
    done = [record["trial"] for record in search.records() if record["kind"] == "end"]
    for trial in done:  # their run functions ended in the other folder
        point = next(line for line in finished.evidence() if line[0] == trial)
        with (search.folder / "evidence").open("a") as evidence:
            evidence.write(f"{json.dumps(point)}\n")
    sound = search.sound_part()
    search.run()
    assert_nothing_is_lost(search, 6)
    assert search.journal.read_bytes().startswith(sound)
