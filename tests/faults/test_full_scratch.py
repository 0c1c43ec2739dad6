"""A node's scratch that is full: before a search it is one line, and a trial goes on without."""

import os
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest
from harness import say
from small_disk import full_disk

from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CRYSTALS = ["--problem", "dh_project.cgcnn_mp.problem.Problem", "--run", "dh_project.cgcnn_mp.model_run.run"]
WORDS = [
    *(sys.executable, "-m", "dh_project.cli.main", "hps", "random", "--evaluator", "process"),
    *("--max-evals", "2"),
]

IN_A_TRIAL = """
    import logging, sys
    from pathlib import Path
    from dh_project.cgcnn_mp.crystals.settings import DataSettings
    from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
    from dh_project.trial.reporting import Connection, connect
    connection = Connection()
    connection.folder = Path()
    connect(connection)
    print(len(label_graphs(DataSettings()).usable))
"""


@pytest.fixture
def disk(tmp_path):
    with closing(full_disk(tmp_path / "disk", 2**19)) as disk:
        yield disk


def assert_refused(done, *words):
    say(f"it said: {done.stderr.strip()}")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert any(word in done.stderr for word in words)


def search(disk, folder, *more):
    words = [*disk.prefix, *WORDS, "--log-dir", "search", "--scratch", str(disk.inside), *more]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_scratch_that_is_full_is_one_line_before_the_search(disk, tmp_path, samples):
    disk.fill()
    small = ["--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")]
    done = search(disk, tmp_path, *small)
    assert_refused(done, "full: a trial needs 0.25 MiB, 0.00 MiB are free; make room", "File too large")
    assert not (tmp_path / "search").exists()


def test_one_that_has_no_room_for_the_data_is_too(disk, tmp_path):
    label_graphs(DataSettings())  # which says that it builds them
    done = search(disk, tmp_path, *CRYSTALS)
    assert_refused(done, "MiB, 0.50 MiB are free; make room, or name another folder", "File too large")
    assert not (tmp_path / "search").exists()


def test_a_trial_reads_the_shared_file_if_its_node_has_no_room(disk, tmp_path):
    label_graphs(DataSettings())
    environment = {**os.environ, "DH_PROJECT_SCRATCH": str(disk.inside)}
    words = [*disk.prefix, sys.executable, "-c", textwrap.dedent(IN_A_TRIAL)]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    say(f"it said: {done.stderr.strip()}")
    assert done.stdout == "3938\n"
    assert len(done.stderr.strip().splitlines()) == 1
    assert "this trial reads" in done.stderr
