"""The live line of a search: what it tells in the width of the terminal."""

import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dh_project.hps.limits import Limits
from dh_project.hps.progress import Counts, in_words
from dh_project.results.history import History
from dh_project.trial.trial import State, Trial


@pytest.fixture
def counts():
    """Counts after four of twenty trials, one of which failed."""
    history = History()
    for number, objective in enumerate([0.5, -0.123456, None, 0.25]):
        trial = Trial(
            number, {}, "random", objective=objective, state=State.DONE if objective else State.FAILED
        )
        history.trials[number] = trial
        history.ended.append(trial)
    history.best_ended = history.trials[0]
    counts = Counts(Limits(max_evals=20))
    counts.turn(history, 100.0)
    return counts


@given(width=st.integers(8, 200))
def test_done_of_total_is_shown_at_each_width(width):
    counts = Counts(Limits(max_evals=20))
    counts.done = 12
    assert counts.line(width).startswith("12 of 20")
    assert len(counts.line(width)) <= width


def test_a_line_of_80_columns_has_all_that_matters(counts):
    line = counts.line(80)
    assert line.startswith("4 of 20  running 0  failed 1  best 0.5 (trial 0)  6 min 40 s left")
    assert counts.line(200).endswith("after 1 min 40 s")


@given(st.floats(0, 1e8))
def test_a_time_in_words_is_right_to_its_second_unit(seconds):
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    parts = [part.split() for part in re.findall(r"\d+ \w+", in_words(seconds))]
    told = sum(int(count) * sizes[unit] for count, unit in parts)
    assert 1 <= len(parts) <= 2
    error = 0.5 if seconds < 3600 else 60 if seconds < 86_400 else 3_600
    assert math.isclose(told, seconds, abs_tol=error + 0.5)


def test_each_reason_of_failures_is_told_once(counts, capsys):
    for number in range(3):
        counts.ended(Trial(number, {}, "random", state=State.FAILED, reason=f"no file {number}.cif"))
    counts.ended(Trial(3, {}, "random", state=State.FAILED, reason="out of memory"))
    assert capsys.readouterr().out == "trial 0 failed: no file 0.cif\ntrial 3 failed: out of memory\n"


@pytest.mark.slow
def test_on_a_terminal_ctrl_c_is_answered_at_once_and_the_next_session_tells_what_is_on_record(
    samples, tmp_path
):
    words = ["hps", "random", "--evaluator", "process", "--num-workers", "1", "--log-dir", str(tmp_path)]
    words += ["--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")]
    words += ["--max-evals", "2", "--run-kwargs", "seconds=20"]

    def start():
        main, other = pty.openpty()
        command = [sys.executable, "-m", "dh_project.cli.main", *words]
        environment = os.environ | {"COLUMNS": "70", "TERM": "xterm"}
        reset = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
        process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment, preexec_fn=reset
        )
        os.close(other)
        return process, main

    def read_until(main, text, seconds):
        found, end = "", time.monotonic() + seconds
        while text not in found and time.monotonic() < end:
            if select.select([main], [], [], 0.1)[0]:
                found += os.read(main, 4096).decode()
        assert text in found, found
        return found

    process, main = start()
    read_until(main, "running 1", 60)
    process.send_signal(signal.SIGINT)
    read_until(main, "SIGINT: the search ends in order", 2)
    read_until(main, "continues the search", 30)
    assert process.wait(30) == 130
    process, main = start()
    said = read_until(main, "0 of 2 trials are on record", 60)
    said += read_until(main, "0 of 2  running 1", 30)
    process.send_signal(signal.SIGINT)
    read_until(main, "continues the search", 30)
    process.wait(30)
