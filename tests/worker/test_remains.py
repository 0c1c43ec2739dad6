"""Which processes count as remains of a dead worker: those of its trials, and no others."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from dh_project.trial.attempt import RunContext
from dh_project.worker.process_table import group, machine, own_processes, process
from dh_project.worker.processes import MARK
from dh_project.worker.remains import Note, remains
from dh_project.worker.worker_process import command, sent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")


@pytest.fixture
def program(tmp_path):
    """A program in a session of its own that carries the mark ``m`` and works in ``tmp_path``."""
    marked = {**os.environ, MARK: "m"}
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path, env=marked, start_new_session=True) as started:
        yield process(started.pid)
        started.kill()


@pytest.fixture
def note(program, tmp_path):
    """A note of a worker that may have started the program, but by which nothing identifies it."""
    dead, own = (2**22 + 1, 0), process(os.getpid())
    return Note(
        machine(), "another", dead, (dead[0], own.start), dead, group(own.pid), (str(tmp_path / "other"),)
    )


def test_a_process_without_any_sign_is_left_alone(note, program):
    assert remains([note]) == []


@pytest.mark.parametrize(
    "sign",
    [
        lambda program, folder: {"mark": "m"},
        lambda program, folder: {"guard": program.key},
        lambda program, folder: {"adopter": process(os.getpid()).key, "folders": (str(folder.parent),)},
    ],
    ids=["mark", "session", "folder"],
)
def test_each_sign_identifies_a_process_and_an_older_one_never(note, program, tmp_path, sign):
    known = replace(note, **sign(program, tmp_path))
    assert [each.pid for each in remains([known])] == [program.pid]
    later = replace(known, worker=(known.worker[0], program.start + 1))
    assert remains([later]) == []


@pytest.mark.parametrize("other", ["session", "group", "parent"])
def test_a_sign_that_another_process_may_have_does_not_suffice(note, program, tmp_path, other):
    almost = {
        "session": replace(note, guard=(program.pid, program.start - 1)),  # an id that was given again
        "group": replace(note, guard=program.key, group="0::/another/job\n"),
        "parent": replace(note, folders=(str(tmp_path.parent),)),  # its parent lives, and adopts none
    }
    assert remains([almost[other]]) == []


def test_descendants_of_remains_are_remains(note):
    words = "env -u DH_PROJECT_WORKER setsid sleep 600 & sleep 600"
    shell = subprocess.Popen(["sh", "-c", words], env={**os.environ, MARK: "n"})
    while len(below := {each.pid for each in own_processes() if each.parent == shell.pid}) < 2:
        pass
    found = {each.pid for each in remains([replace(note, mark="n")])}
    for each in (shell.pid, *below):
        os.kill(each, signal.SIGKILL)
    shell.wait()
    assert found == {shell.pid, *below}


def test_the_command_line_of_a_worker_does_not_show_run_kwargs():
    with sent(RunContext("run.py", {"password": "secret"}, ".")) as file:
        assert not any("secret" in word for word in command(file))
        assert b"secret" in os.pread(file, 1000, 0)
