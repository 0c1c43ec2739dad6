import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project.worker.trial_log import LIMIT, OutputPipe, TrialLog


def close(pipe):
    os.close(pipe.reader)
    os.close(pipe.writer)


@given(lengths=st.lists(st.integers(0, 600), max_size=30))
@settings(deadline=None)
def test_a_log_has_all_of_its_output_or_its_beginning_and_its_end(lengths):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        pipe, output = OutputPipe(), b""
        log = TrialLog(path, pipe, limit=256)
        for number, length in enumerate(lengths):
            piece = bytes([65 + number]) * length
            output += piece
            os.write(pipe.writer, piece)
            log.read()
        log.close()
        close(pipe)
        content = path.read_bytes()
    if len(output) < 256:
        assert content == output
        return
    head, _, rest = content.partition(b"\n[")
    said, _, tail = rest.partition(b"]\n")
    assert len(content) < 256
    assert head == output[:64]
    assert said.endswith(b"MiB of output are left out here")
    assert len(tail) >= 128
    assert output.endswith(tail[-128:])


def test_output_that_comes_after_the_last_read_is_in_the_log(tmp_path):
    pipe = OutputPipe()
    log = TrialLog(tmp_path / "log.txt", pipe)
    os.write(pipe.writer, b"last words")
    log.close()
    close(pipe)
    assert (tmp_path / "log.txt").read_bytes() == b"last words"


def test_a_log_on_a_full_disk_stops_nobody(tmp_path):
    (tmp_path / "log.txt").symlink_to("/dev/full")
    pipe = OutputPipe()
    log = TrialLog(tmp_path / "log.txt", pipe)
    os.write(pipe.writer, b"words")
    log.close()
    close(pipe)


@pytest.mark.parametrize(
    ("last", "quoted"),
    [
        ("Terminating: fork() called from a process already using GNU OpenMP, this is unsafe.", True),
        ("Fatal Python error: Segmentation fault", True),
        ("RuntimeError: no kernel image", True),
        ("epoch 3: loss 0.5", False),
        ("", False),
    ],
)
def test_last_words_are_quoted_if_they_tell_why_a_process_died(tmp_path, last, quoted):
    pipe = OutputPipe()
    log = TrialLog(tmp_path / "log.txt", pipe)
    log.write(f"some words\n{last}\n\n".encode())
    assert log.last_words() == (last if quoted else "")
    log.close()
    close(pipe)


# ---- in a worker

LAST_WORDS = [
    "print('last words')",
    "sys.stderr.write('last words\\n')",
    "os.write(1, b'last words\\n')",
    "os.system('echo last words')",
    "subprocess.run([sys.executable, '-c', 'print(\"last words\")'])",
    "sys.stdout = sys.__stdout__; print('last words')",
]


@pytest.mark.parametrize("kill", ["os.kill(os.getpid(), 9)", "os._exit(3)", "os.abort()", "time.sleep(600)"])
def test_the_last_words_of_a_killed_trial_are_in_its_log(runs, kill):
    runs.of("import os, subprocess, sys, time\ndef run(point):\n    exec(point['words'])\n    " + kill)
    for number, words in enumerate(LAST_WORDS if "sleep" not in kill else LAST_WORDS[:1]):
        end = runs.trial(number, point={"words": words}, time_limit=1.0 if "sleep" in kill else None)
        assert end["state"] in ("failed", "timeout")
        assert "last words" in (end["folder"] / "log.txt").read_text(), words


def test_a_trial_that_prints_without_end_has_a_log_of_limited_size_and_obeys_its_limit(runs):
    runs.of("import subprocess\ndef run(point):\n    subprocess.run(['yes', 'much'])\n")
    end = runs.trial(time_limit=2.0)
    log = (end["folder"] / "log.txt").read_bytes()
    assert end["state"] == "timeout"
    assert len(log) < LIMIT
    assert log.startswith(b"much\n")
    assert b"of output are left out here" in log


def test_many_lines_cost_little(runs):
    """100,000 lines take less than ten times as long as into a file."""
    lines = "import sys, time\nfor number in range(100_000):\n    print('epoch', number, flush=True)\n"
    runs.of(
        "import time\nfrom dh_project import record\ndef run(point):\n    began = time.monotonic()\n"
        "    for number in range(100_000):\n        print('epoch', number)\n"
        "    return time.monotonic() - began\n"
    )
    with (runs.folder / "direct.txt").open("w") as file:
        timed = (
            f"import time\nbegan = time.monotonic()\n{lines}sys.stderr.write(str(time.monotonic() - began))\n"
        )
        words = [sys.executable, "-c", timed]
        direct = float(subprocess.run(words, stdout=file, stderr=subprocess.PIPE, check=True).stderr)
    assert runs.trial()["objective"] < 10 * direct + 1.0
