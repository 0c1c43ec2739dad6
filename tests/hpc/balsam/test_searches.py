"""Searches on a real site: PostgreSQL, Balsam's server, its agent and its launchers."""

import base64
import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from searches import CGCNN, SMALL, SubmittedSearch, deephyper

from dh_project.hpc.balsam.client.credentials import read_token, write_token
from dh_project.trial.trial import State

pytestmark = [pytest.mark.balsam, pytest.mark.slow, pytest.mark.timeout(400)]


def states(history):
    return [trial.state for trial in history.ended]


def expired(installation, token):
    """Return a token of the server that expired a minute ago."""
    payload = token.text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    expires = datetime.now(UTC) - timedelta(minutes=1)
    claims["exp"] = int(expires.timestamp())
    secret = json.loads((installation.private / "server.json").read_text())["secret"]
    encode = "import json, sys, jwt; print(jwt.encode(*json.load(sys.stdin), algorithm='HS256'))"
    made = subprocess.run(
        [installation.python, "-c", encode],
        input=json.dumps([claims, secret]),
        capture_output=True,
        text=True,
        check=True,
    )
    return replace(token, text=made.stdout.strip(), expires=expires)


def test_a_cgcnn_search_ends_with_a_row_for_each_trial(installation):
    options = ("--max-evals", 4, "--run-kwargs", "epochs=1")
    search = SubmittedSearch(installation, "cgcnn", *options, what=CGCNN)
    assert states(search.wait_until_over()) == [State.DONE] * 4
    told = {int(job.tags["number"]): job.data["end"]["objective"] for job in search.jobs()}
    assert told == {trial.id: trial.objective for trial in search.history().ended}


def test_a_cgcnn_search_parks_trials_and_resumes_them_in_jobs_of_their_own(installation):
    options = ("--max-evals", 4, "--run-kwargs", "epochs=2")
    search = SubmittedSearch(installation, "parked", *options, what=CGCNN, job_mode="mpi")
    history = search.wait_until_over()
    assert {trial.state for trial in history.trials.values()} == {State.DONE, State.PARKED}
    resumed = [trial for trial in history.trials.values() if trial.attempt > 1]
    assert resumed
    assert all([step for step, _ in trial.reports] == [1, 2] for trial in resumed)
    assert len(search.jobs()) == 4 + len(resumed)


def test_a_name_is_taken_once_and_tasks_shows_the_jobs_of_the_search(installation):
    search = SubmittedSearch(installation, "twice", "--max-evals", 2)
    options = ("-t", 20, "-j", "serial", "-q", "local", "-n", 1, "-A", "local")
    refused = deephyper(installation, "balsam-submit", "hps", search.workflow, *SMALL, *options, wanted=2)
    assert f"There are already jobs matching workflow {search.workflow}" in refused
    assert len(search.jobs("search")) == 1
    search.wait_until_over()
    assert len(search.jobs()) == 2
    listed = deephyper(installation, "tasks", "show", "--workflow", search.workflow)
    assert all(str(job.id) in listed for job in [*search.jobs(), *search.jobs("search")])


def test_a_server_that_is_killed_and_started_again_costs_no_trial(installation):
    search = SubmittedSearch(installation, "server_dies", "--max-evals", 8, "--run-kwargs", "seconds=2")
    search.wait_for_ends(2)
    processes = json.loads((installation.server / "processes.json").read_text())
    psutil.Process(processes["server"]["pid"]).kill()
    time.sleep(6)
    deephyper(installation, "balsam-start")
    history = search.wait_until_over()
    assert states(history) == [State.DONE] * 8
    assert {trial.attempt for trial in history.ended} == {1}


def test_a_search_whose_launcher_is_killed_goes_on_in_the_next_batch_job(installation):
    search = SubmittedSearch(installation, "launcher_dies", "--max-evals", 6, "--run-kwargs", "seconds=3")
    search.wait_for_ends(2)
    before = {trial.id: trial.objective for trial in search.history().ended}
    killed = search.kill_the_launcher()
    search.wait_for(
        lambda: search.client.batch_jobs(ids=[killed.id])[0].state == "finished", "the end of the batch job"
    )
    search.submit("--resume", "-t", 20)
    history = search.wait_until_over()
    assert states(history) == [State.DONE] * 6
    assert before.items() <= {trial.id: trial.objective for trial in history.ended}.items()
    assert not [trial for trial in history.ended if trial.id in before and trial.attempt > 1]


def test_a_search_that_is_over_can_be_gone_on_with_at_once(installation):
    search = SubmittedSearch(installation, "more", "--max-evals", 1)
    search.wait_until_over()
    search.submit("--resume", "--max-evals", 2)  # while its driver is ending
    assert states(search.wait_until_over()) == [State.DONE] * 2


def test_a_token_that_expires_is_renewed_on_the_way(installation):
    search = SubmittedSearch(installation, "token", "--max-evals", 6, "--run-kwargs", "seconds=2")
    search.wait_for_ends(1)
    good = read_token(installation.token_file)
    write_token(installation.token_file, expired(installation, good))
    history = search.wait_until_over()
    assert states(history) == [State.DONE] * 6
    assert all(job.data.get("end") for job in search.jobs())
    assert read_token(installation.token_file).seconds_left() > 0


def test_two_searches_at_once_are_not_mixed_up(installation):
    searches = [
        SubmittedSearch(installation, name, "--max-evals", 5, "--run-kwargs", f"scale={scale}", "seconds=1")
        for name, scale in (("one", 1.0), ("other", 100.0))
    ]
    for search, scale in zip(searches, (1.0, 100.0), strict=True):
        history = search.wait_until_over()
        assert states(history) == [State.DONE] * 5
        for trial in history.ended:
            assert trial.objective == pytest.approx(-abs(trial.point["x"] - 3.0) * scale)


def test_a_search_goes_on_in_a_chain_of_batch_jobs(installation):
    """A batch job of three minutes has one minute for jobs; the search takes longer."""
    options = ("--max-evals", 12, "--run-kwargs", "seconds=7", "--chain", 3, "--margin", 12)
    search = SubmittedSearch(installation, "chained", *options, minutes=3)
    history = search.wait_until_over()
    assert states(history) == [State.DONE] * 12
    assert 1 < len(search.batch_jobs()) <= 3


def test_a_running_trial_is_killed_and_a_failed_one_is_attempted_again(installation):
    search = SubmittedSearch(installation, "tasks", "--max-evals", 2, "--run-kwargs", "seconds=15")

    def first():
        return next((job for job in search.jobs() if job.tags["number"] == "0"), None)

    search.wait_for(lambda: first() and first().state == "RUNNING", "the first trial")
    deephyper(installation, "tasks", "kill", first().id)
    search.wait_for(lambda: search.history().trials[0].state is State.CANCELLED, "its end")
    deephyper(installation, "tasks", "retry", first().id)
    history = search.wait_until_over()
    assert states(history) == [State.DONE] * 2
    assert (history.trials[0].attempt, history.trials[1].attempt) == (2, 1)
