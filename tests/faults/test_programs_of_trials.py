"""Programs that trials start end with the search, whichever of its processes are killed."""

import os
import signal
import subprocess
import time

import psutil
import pytest
from harness import say, wait_until
from programs import PROGRAMS

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SECONDS = 10.0


def sleepers(since):
    """Return the programs that trials have started, by what no program can change: its name, user and age."""
    found = []
    for process in psutil.process_iter(["name", "create_time", "uids", "status", "cmdline"]):
        of = process.info
        is_ours = (
            of["cmdline"] == ["sleep", "600"]
            and of["create_time"] >= since
            and of["uids"].real == os.getuid()
        )
        if is_ours and of["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def begin(search_command, trials=2, **more):
    """Start a search whose trials start programs; return it, its session and the time of its start."""
    since = time.time() - 1
    search = search_command("--max-evals", 4, "--run", "programs.run", workers=trials, **more)
    count = trials * (len(PROGRAMS) + bool(more.get("run_kwargs")))
    session = search.start()
    wait_until(lambda: len(sleepers(since)) == count, f"{count} programs run", session=session)
    return search, session, since


def wait_until_all_are_dead(since, limit=SECONDS):
    began = time.monotonic()
    wait_until(lambda: not sleepers(since), "all programs of trials are dead", limit)
    say(f"no program is left {time.monotonic() - began:.2f} s later")


def family(search):
    """Return the guards, the workers and the trials of a search."""
    ours = [process for process, name in search.processes().items() if "dh_project.worker" in name]
    guards = [process for process in ours if os.getsid(process.pid) == process.pid]
    workers = [worker for guard in guards for worker in guard.children()]
    return guards, workers, [process for process in ours if process not in (*guards, *workers)]


def kill(session, *groups):
    """Kill a driver and other processes at the same moment."""
    for process in [each for group in groups for each in group]:
        process.send_signal(signal.SIGSTOP)  # so that none notices another's end before its own
    session.process.kill()
    for process in [each for group in groups for each in group]:
        process.kill()
    session.end()


@pytest.mark.parametrize("evaluator", ["process", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_killed_driver_leaves_no_program_of_a_trial(search_command, evaluator):
    search, session, since = begin(search_command, evaluator=evaluator, run_kwargs=["hidden=true"])
    search.kill(session)
    wait_until_all_are_dead(since)
    search.wait_until_none_is_left(20.0)


@pytest.mark.parametrize("survivors", ["guards", "workers"])
def test_a_driver_killed_with_its_workers_or_their_guards_leaves_no_program(search_command, survivors):
    search, session, since = begin(search_command, run_kwargs=["hidden=true"])
    guards, workers, trials = family(search)
    kill(session, trials, workers if survivors == "guards" else guards)
    wait_until_all_are_dead(since)
    search.wait_until_none_is_left()


def test_a_worker_that_lives_ends_the_programs_of_one_that_was_killed_with_its_guard(search_command):
    search, session, since = begin(search_command)
    guards, workers, _ = family(search)
    worker = next(each for each in workers if each.ppid() == guards[0].pid)
    kill(session, worker.children(), [worker, guards[0]])
    wait_until_all_are_dead(since)
    search.wait_until_none_is_left()


def test_if_all_of_a_search_is_killed_its_next_session_ends_the_programs_first(search_command):
    search, session, since = begin(search_command)
    kill(session, *family(search))
    time.sleep(1.0)
    left = sleepers(since)
    assert len(left) == 2 * len(PROGRAMS)
    again = search.start()
    wait_until(lambda: search.count("session") == 2, "the next session runs", session=again)
    assert not set(left) & set(sleepers(since))
    search.kill(again)
    wait_until_all_are_dead(since)
    assert not (search.log_dir / ".workers").exists()


def test_processes_of_the_user_in_a_trial_s_folder_are_left_alone(search_command):
    search, session, since = begin(search_command, trials=1)
    folder = search.log_dir / "trials/0000/attempt-1"
    with (folder / "log.txt").open("a") as log:
        bystanders = [  # as a program of the user's script, and as the kernel of a notebook
            subprocess.Popen(["sleep", "601"], cwd=folder, stdout=log, start_new_session=own_session)
            for own_session in (False, True)
        ]
    try:
        kill(session, *family(search))
        again = search.start()
        wait_until(lambda: search.count("session") == 2, "the next session runs", session=again)
        assert [each.poll() for each in bystanders] == [None, None]
        search.kill(again)
    finally:
        for each in bystanders:
            each.kill()
            each.wait()
    wait_until_all_are_dead(since)
