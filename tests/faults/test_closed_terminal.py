"""The terminal of a search is closed: the search ends in order, as at any other signal."""

import signal
import sys

import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PROGRAM = """\
import pty, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may have been started with nohup
pty.spawn(sys.argv[1:])
"""
TERMINAL = [sys.executable, "-c", PROGRAM]
"""A terminal that runs a command. If it is killed, the command gets a SIGHUP and can no longer write to it."""


@pytest.mark.parametrize("nohup", [[], ["nohup"]], ids=["plain", "nohup"])
def test_a_search_whose_terminal_is_closed_records_its_end_and_with_nohup_it_goes_on(search_command, nohup):
    search = search_command("--max-evals", 12, run_kwargs=["shortest=0.4", "longest=0.8"])
    session = search.start(prefix=[*TERMINAL, *nohup])
    wait_until(lambda: search.count("end") >= 2, "two trials have ended", session=session)
    session.process.kill()
    say("closed the terminal")
    search.wait_until_none_is_left(60.0)
    closed = [record for record in search.records() if record["kind"] == "close"]
    assert [signal.SIGHUP.name in record["reason"] for record in closed] == [not nohup]
    search.run()
    assert_nothing_is_lost(search, 12)
