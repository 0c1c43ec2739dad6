"""Processes that write a journal and are killed on the way; run by ``test_torn_journal.py``.

journal_writer.py every-byte FOLDER   for each byte n of an append, a process that dies after n bytes, in FOLDER/n
journal_writer.py for-ever FOLDER     append as fast as it goes, printing the number of what is on record
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from dh_project.results.journal import encode_commits, scan
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths

BEFORE = [{"kind": "search", "schema": 1}, {"kind": "start", "trial": 0}, {"kind": "end", "trial": 0}]
TORN = [
    {"kind": "report", "trial": 1, "step": 1, "objective": 0.5},
    {"kind": "end", "trial": 1, "reason": "ä"},
]
"""Two records in one append: a turn of the search loop commits so."""

WHOLE = encode_commits(BEFORE, TORN)
SIZE = len(WHOLE) - len(encode_commits(BEFORE))


def die_at(folder, byte):
    """Write the first records whole, and die at a byte of the append of the others."""
    folder.mkdir()
    journal = Journal(SearchPaths(folder))
    for record in BEFORE:
        journal.append(record)
    journal.commit()
    write = os.write

    def write_and_die(file, data):
        write(file, data[:byte])
        os.kill(os.getpid(), signal.SIGKILL)

    os.write = write_and_die
    for record in TORN:
        journal.append(record)
    journal.commit()


def die_at_every_byte(folder):
    for byte in range(SIZE + 1):
        child = os.fork()
        if child == 0:
            die_at(folder / str(byte), byte)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def write_for_ever(folder):
    with Journal(SearchPaths(folder)) as journal:
        for number in count(len(scan(journal.path)[0])):
            journal.append({"kind": "report", "trial": number})
            journal.commit()
            os.write(1, f"{number + 1}\n".encode())


if __name__ == "__main__":
    {"every-byte": die_at_every_byte, "for-ever": write_for_ever}[sys.argv[1]](Path(sys.argv[2]))
