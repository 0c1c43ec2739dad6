"""Trials that write to their node's scratch: their files reach the search's folder, whatever happens."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dh_project.common.files import is_aside, replacing
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.reporting import scratch_folder
from dh_project.trial.scratch import VARIABLE, own_folder
from dh_project.worker import scratch as scratch_module
from dh_project.worker.scratch import Outputs, Scratch
from dh_project.worker.worker_process import WorkerProcess

RUNS = """
import os, shutil, socket, time
from dh_project.trial.reporting import home_folder, previous_folder, report, scratch_folder, trial_folder

def run(point):
    return globals()[point["do"]](trial_folder(), home_folder())

def write(folder, home):
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "weights").write_text("42")
    (folder / ".hidden").write_text("too")
    (folder / f".best.{socket.gethostname()}.{os.getpid()}").write_text("half")
    (folder / "here").symlink_to("deep/er/weights")
    (folder / "absolute").symlink_to(folder / "deep" / "er" / "weights")
    (folder / "folder").symlink_to(folder / "deep")
    print("wrote in", folder)
    return float(folder != home)

def wait(folder, home):
    (folder / "first").write_text("1")
    (folder / "rotated-1").write_text("1")
    while not (home / "go").exists():
        time.sleep(0.01)
    (folder / "rotated-1").unlink()
    (folder / "rotated-2").write_text("2")
    return 0.0

def hang(folder, home):
    (folder / "checkpoint").write_text("3")
    report(1, 0.0)
    time.sleep(600)

def take_home_away(folder, home):
    (folder / "weights").write_text("42")
    shutil.rmtree(home)
    home.write_text("a file is in the way")
    return 0.0

def take_home_away_and_fail(folder, home):
    take_home_away(folder, home)
    raise RuntimeError("its own fault")

def clean_up(folder, home):
    (folder / "weights").write_text("42")
    while not (home / "weights").exists():
        time.sleep(0.01)
    shutil.rmtree(folder)
    return 0.0

def go_on(folder, home):
    return float(previous_folder("checkpoint").joinpath("checkpoint").read_text())

def meet(folder, home):
    from dh_project.trial.ranks import meeting_place
    return float(meeting_place() == f"file://{home}/.processes")

def share(folder, home):
    (scratch_folder() / "made once").write_text("here")
    return 0.0
"""


@pytest.fixture
def place(tmp_path):
    return tmp_path / "scratch"


@pytest.fixture
def worker(tmp_path, place):
    """Return a function that starts a worker whose scratch is ``place``."""
    (tmp_path / "runs.py").write_text(RUNS)
    workers = []

    def start():
        context = RunContext(str(tmp_path / "runs.py"), {}, str(tmp_path), scratch=str(place))
        workers.append(WorkerProcess(context, threads=1))
        return workers[-1]

    yield start
    for each in workers:
        each.close()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "search" / "trials" / "0000" / "attempt-1"


def begin(worker, home, do, previous=()):
    worker.run(Assignment(0, 1, {"do": do}, str(home), [str(folder) for folder in previous]))
    return worker


def heard(worker, event="end"):
    """Wait for an event of the attempt."""
    while True:
        for message in worker.read():
            if message["event"] == event:
                return message


def wait_for(path):
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not come"
        time.sleep(0.02)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def folders_of_attempts(place):
    return list(place.glob("dh_project-*/attempts/*/trials/*/*"))


def test_all_files_of_a_trial_are_in_its_home_folder_when_its_end_is_reported(worker, home, place):
    end = heard(begin(worker(), home, "write"))
    assert (end["state"], end["objective"]) == ("done", 1.0)
    assert files(home) == [
        ".hidden",
        "absolute",
        "deep/er/weights",
        "dh-result.json",
        "here",
        "log.txt",
    ]
    log = (home / "log.txt").read_text()
    assert f"wrote in {place}" in log
    assert log.endswith("/0000/attempt-1\n")
    assert list(place.glob("dh_project-*/attempts/*/")) == []


def test_a_link_to_a_file_of_the_trial_leads_to_the_copy_of_that_file(worker, home):
    heard(begin(worker(), home, "write"))
    assert (home / "absolute").read_text() == (home / "here").read_text() == "42"
    assert (home / "folder").resolve() == (home / "deep").resolve()


def test_files_are_copied_and_deleted_while_the_trial_runs(worker, home):
    running = begin(worker(), home, "wait")
    wait_for(home / "rotated-1")
    (home / "go").touch()
    heard(running)
    assert files(home) == ["dh-result.json", "first", "go", "log.txt", "rotated-2"]


def test_an_interrupted_trial_continues_from_the_copied_files(worker, home):
    running = begin(worker(), home, "hang")
    heard(running, "report")
    running.kill(0, 1, "paused", "enough")
    assert heard(running)["state"] == "paused"
    end = heard(begin(running, home.with_name("attempt-2"), "go_on", [home]))
    assert end["objective"] == 3.0


def test_the_files_of_a_trial_are_copied_if_its_driver_is_gone(worker, home, place):
    running = begin(worker(), home, "hang")
    heard(running, "report")
    running.close()
    assert (home / "checkpoint").read_text() == "3"
    assert json.loads((home / "dh-result.json").read_text())["state"] == "paused"
    assert list(place.glob("dh_project-*/attempts/*")) == []


@pytest.mark.parametrize(
    ("do", "state", "reason"),
    [
        ("take_home_away", "lost", "a fault of the machine: its files in scratch cannot be copied"),
        ("take_home_away_and_fail", "failed", "its own fault"),
    ],
)
def test_a_result_is_lost_if_its_files_cannot_be_copied(worker, home, do, state, reason):
    end = heard(begin(worker(), home, do))
    assert (end["state"], reason in end["reason"]) == (state, True)
    assert end["objective"] is None


def test_copied_files_stay_if_somebody_empties_scratch(worker, home):
    end = heard(begin(worker(), home, "clean_up"))
    assert (end["state"], "it is gone" in end["reason"]) == ("lost", True)
    assert files(home) == ["dh-result.json", "log.txt", "weights"]


def test_the_next_worker_removes_the_folders_of_killed_workers_only(worker, tmp_path, place):
    killed = begin(worker(), tmp_path / "one", "hang")
    living = begin(worker(), tmp_path / "two", "hang")
    heard(killed, "report")
    heard(living, "report")
    assert len(folders_of_attempts(place)) == 2
    os.kill(int(killed.name.split(":")[1]), signal.SIGKILL)
    while killed.read() is not None:
        pass
    killed.why_it_died()
    assert len(folders_of_attempts(place)) == 2
    heard(begin(worker(), tmp_path / "three", "write"))
    (left,) = folders_of_attempts(place)
    assert (left / "checkpoint").exists()
    living.kill(0, 1, "paused", "enough")
    heard(living)
    assert (tmp_path / "two" / "checkpoint").exists()


def test_if_scratch_cannot_be_used_a_trial_writes_to_its_home_folder_and_its_log_says_so(worker, home, place):
    place.write_text("a file")
    end = heard(begin(worker(), home, "write"))
    assert (end["state"], end["objective"]) == ("done", 0.0)
    first, *_ = (home / "log.txt").read_text().splitlines()
    assert first.startswith(f"--scratch {place}: cannot be used: File exists")


def test_the_processes_of_a_trial_meet_in_a_folder_that_all_nodes_see(worker, home):
    assert heard(begin(worker(), home, "meet"))["objective"] == 1.0


def test_trials_share_a_folder_of_their_node(worker, home, place, monkeypatch):
    heard(begin(worker(), home, "share"))
    monkeypatch.setenv(VARIABLE, str(place))
    assert (scratch_folder() / "made once").read_text() == "here"
    monkeypatch.delenv(VARIABLE)
    assert scratch_folder() is None


def test_a_folder_of_another_user_in_scratch_is_not_used(place, tmp_path):
    place.mkdir()
    (place / f"dh_project-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="another user's"):
        own_folder(place)


def test_other_users_cannot_read_scratch(place):
    assert own_folder(place).stat().st_mode & 0o077 == 0


def test_a_file_that_is_being_written_in_place_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_module, "FIRST_SECONDS", 0.001)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "log.txt").write_text("begun\n")
    with (source / "weights").open("wb") as file:
        file.write(bytes(2**26))
        file.flush()
        written = threading.Event()

        def write():
            while not written.wait(0.001):
                file.write(b"more")
                file.flush()

        writer = threading.Thread(target=write)
        writer.start()
        outputs = Outputs(source, target)
        try:
            outputs.start()
            wait_for(target / "log.txt")
            time.sleep(1.0)
            assert [name for name in files(target) if not is_aside(name)] == ["log.txt"]
        finally:
            written.set()
            writer.join()
    assert outputs.finish() is None
    assert (target / "weights").read_bytes() == (source / "weights").read_bytes()


def test_a_file_that_is_replaced_again_and_again_is_copied_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_module, "FIRST_SECONDS", 0.001)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    outputs = Outputs(source, target)
    outputs.start()
    seen, limit, number = set(), time.monotonic() + 60, 0
    while len(seen) < 3 and time.monotonic() < limit:
        number += 1
        with replacing(source / "weights") as aside:
            aside.write_bytes(bytes([number % 256]) * 2**20)
        if (target / "weights").exists():
            content = (target / "weights").read_bytes()
            assert content == content[:1] * 2**20
            seen.add(content[:1])
    assert outputs.finish() is None
    assert len(seen) == 3
    assert (target / "weights").read_bytes() == (source / "weights").read_bytes()


def test_a_worker_without_scratch_does_not_change_an_attempt(tmp_path):
    scratch = Scratch("")
    assignment = Assignment(0, 1, {}, str(tmp_path / "home"))
    assert scratch.begin(assignment) is assignment
    scratch.began()
    assert scratch.end({"state": "done"}) == {"state": "done"}
    scratch.close()
    assert not Path(assignment.folder).exists()
