"""``tasks show``, ``kill`` and ``retry`` with a real server; the test acts as the launchers of the site."""

import csv
import json
from threading import Timer

import pytest
from agentless_site import AgentlessSite

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.models import BatchState, JobState
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.orders import Orders
from dh_project.hpc.balsam.tasks.description import Verdict
from dh_project.hpc.balsam.tasks.finding import Filters, find
from dh_project.hpc.balsam.tasks.kill import Killer
from dh_project.hpc.balsam.tasks.retry import Retrier

pytestmark = pytest.mark.balsam

ENDED_WELL = {"end": {"state": "done", "objective": -0.25, "reason": None, "cause": None, "facts": {}}}
LOST = {"end": {"state": "lost", "objective": None, "reason": "its node died", "cause": None, "facts": {}}}


@pytest.fixture
def site(client, tmp_path):
    site = AgentlessSite(client, tmp_path / "site")
    yield site
    site.remove()


@pytest.fixture
def tasks(installation, capsys):
    """Return a function that runs ``deephyper tasks`` and returns its exit status, output and errors."""

    def tasks(*words):
        capsys.readouterr()
        status = main(["tasks", words[0], "--site", str(installation.folder), *map(str, words[1:])])
        return status, *capsys.readouterr()

    return tasks


def killer(client):
    return Killer(client, "ada", held=1.0, ending=1.0)


def only(outcomes):
    [said] = outcomes
    return said


# ---- show


def test_filters_leave_the_jobs_that_meet_them_the_newest_first(client, site):
    search = site.job("search", name="a search")
    trials = [site.trial(k, JobState.FAILED if k == 1 else JobState.PREPROCESSED) for k in range(3)]

    def found(limit=1000, **filters):
        return [job.id for job in find(client, Filters(workflow=site.workflow, **filters), limit)]

    assert found() == [trials[2].id, trials[1].id, trials[0].id, search.id]
    assert found(states=(JobState.FAILED,)) == [trials[1].id]
    assert found(name="trial [02]") == [trials[2].id, trials[0].id]
    assert found(first=trials[0].id, last=trials[1].id) == [trials[1].id, trials[0].id]
    assert found(limit=2) == [trials[2].id, trials[1].id]
    assert found(user="ada", days=1) == found()
    assert found(user="bob") == []


def test_a_table_names_trial_and_attempt_and_tells_if_the_limit_cut_it(site, tasks):
    site.job("search")
    site.trial(7, attempt=2)
    status, shown, errors = tasks("show", "--workflow", site.workflow, "--limit", "1")
    assert (status, "7/2" in shown, "--limit takes more" in errors) == (0, True, True)


def test_nothing_that_matches_is_no_error(site, tasks):
    assert tasks("show", "--workflow", site.workflow) == (0, "no jobs match\n", "")


def test_columns_of_choice_go_to_a_csv_or_json_file(site, tasks, tmp_path):
    job = site.trial(0, JobState.JOB_FINISHED, ENDED_WELL)
    words = ["show", "--workflow", site.workflow, "--columns", "id,state,outcome,objective"]
    for name in ("jobs.csv", "jobs.json"):
        assert tasks(*words, "--output", tmp_path / name) == (0, "", "")
    with (tmp_path / "jobs.csv").open() as file:
        assert list(csv.reader(file))[1] == [str(job.id), "JOB_FINISHED", "done", "-0.25"]
    assert json.loads((tmp_path / "jobs.json").read_text())[0]["objective"] == -0.25


def test_metadata_is_one_job_whole_with_its_events(site, tasks, tmp_path):
    job = site.trial(3, JobState.FAILED, LOST)
    assert tasks("show", job.id, "--metadata", "--output", tmp_path / "job.json") == (0, "", "")
    whole = json.loads((tmp_path / "job.json").read_text())
    assert (whole["tags"]["number"], whole["num_nodes"], whole["data"]) == ("3", 1, LOST)
    assert [event["to"] for event in whole["events"]] == ["STAGED_IN", "FAILED"]


def test_a_job_that_is_not_there_is_one_line(tasks):
    status, _, errors = tasks("show", 999999999)
    assert (status, errors.count("\n"), "no job 999999999" in errors) == (2, 1, True)


def test_a_token_that_the_server_does_not_know_is_one_line(installation, tmp_path, capsys):
    copy = Installation(tmp_path / "copy")
    copy.private.mkdir(parents=True)
    copy.write_description(installation.describe())
    copy.token_file.write_text(installation.token_file.read_text().replace("token: ", "token: x"))
    assert main(["sites", "--site", str(copy.folder)]) == 2
    assert "the token has expired; log in with" in capsys.readouterr().err


# ---- kill


def test_a_trial_that_waits_is_failed_and_its_search_can_read_that_it_was_cancelled(client, site):
    job = site.trial(0, data={"first": 0, "reports": [[1, 0.5]]})
    assert only(killer(client).kill([job])).verdict is Verdict.DONE
    after = client.job(job.id)
    assert (after.state, after.data["end"]["state"]) == (JobState.FAILED, "cancelled")
    assert after.data["reports"] == [[1, 0.5]]
    assert client.events(job.id)[0].data == {"message": "killed by ada"}


def test_a_running_job_is_told_to_end(client, site):
    job = site.job("search")
    assert site.take(site.batch_job(BatchState.RUNNING, 11)) == {job.id}
    said = only(killer(client).kill([site.put(job, JobState.RUNNING)]))
    assert (said.verdict, client.job(job.id).state) == (Verdict.DONE, JobState.RUNNING)
    [order] = Orders(site.folder(job)).new()
    assert (order["do"], order["state"], order["reason"]) == ("kill", "cancelled", "killed by ada")


def test_a_job_that_ran_in_a_batch_job_that_is_over_is_failed(client, site):
    job, batch_job = site.trial(0), site.batch_job(BatchState.RUNNING, 12)
    site.take(batch_job)
    job = site.put(job, JobState.RUNNING)
    site.move(batch_job, BatchState.FINISHED)
    assert only(killer(client).kill([job])).verdict is Verdict.DONE
    assert client.job(job.id).state is JobState.FAILED


def test_an_end_that_a_worker_told_is_not_written_over(client, site):
    job = site.trial(0, JobState.RESTART_READY, ENDED_WELL)
    only(killer(client).kill([job]))
    assert client.job(job.id).data == ENDED_WELL


def test_a_job_that_a_launcher_took_meanwhile_is_told_to_end_when_it_starts(client, site):
    job = site.trial(0)
    site.take(site.batch_job(BatchState.RUNNING, 13))  # after ``kill`` has read it
    assert only(killer(client).kill([job])).verdict is Verdict.DONE
    assert [order["do"] for order in Orders(site.folder(job)).new()] == ["kill"]


def test_a_job_that_ended_meanwhile_stays_as_it_ended(client, site):
    job = site.trial(0)
    site.put(job, JobState.JOB_FINISHED)  # after ``kill`` has read it
    assert only(killer(client).kill([job])).verdict is Verdict.NOTHING
    assert client.job(job.id).state is JobState.JOB_FINISHED


def test_a_job_that_was_deleted_meanwhile_is_no_error(client, site):
    job = site.trial(0)
    client.delete_job(job.id)
    assert only(killer(client).kill([job])).verdict is Verdict.DONE


def test_a_job_that_a_launcher_holds_ends_as_soon_as_it_starts(client, site):
    job = site.trial(0)
    site.take()
    said = only(killer(client).kill([client.job(job.id)]))
    assert (said.verdict, "as soon as it starts" in said.line) == (Verdict.DONE, True)
    assert [order["do"] for order in Orders(site.folder(job)).new()] == ["kill"]


def test_a_running_job_of_anothers_app_is_refused_with_what_ends_it(client, site, tasks):
    job, batch_job = site.job("other", workflow=site.workflow), site.batch_job(BatchState.RUNNING, 4711)
    assert site.take(batch_job) == {job.id}
    site.put(job, JobState.RUNNING)
    status, shown, errors = tasks("kill", job.id)
    assert (status, shown, errors.count("\n")) == (2, "", 1)
    assert "Balsam cannot stop" in errors
    assert "balsam queue term 4711" in errors


def test_a_running_job_of_a_site_elsewhere_is_refused_in_one_line(client, site, tasks):
    job = site.job("search")
    site.take(site.batch_job(BatchState.RUNNING, 14))
    site.put(job, JobState.RUNNING)
    (site.path / "data").rename(site.path / "away")
    status, _, errors = tasks("kill", job.id)
    assert (status, errors.count("\n"), "this machine does not see" in errors) == (2, 1, True)


def test_it_is_an_error_only_if_all_had_ended(site, tasks):
    ended, waiting = site.trial(0, JobState.JOB_FINISHED), site.trial(1)
    status, shown, errors = tasks("kill", ended.id, waiting.id)
    assert (status, shown.count("\n"), "has ended (JOB_FINISHED)" in errors) == (0, 1, True)
    assert tasks("kill", ended.id, waiting.id)[0] == 2


def test_a_workflow_is_killed_from_its_search_down_to_its_batch_jobs(client, site, tasks):
    trials, search = [site.trial(k) for k in range(2)], site.job("search")
    queued = site.batch_job(BatchState.QUEUED, 15)
    status, shown, errors = tasks("kill", "--workflow", site.workflow)
    assert (status, errors) == (0, "")
    started = [line.split(":")[0].split(" (")[0] for line in shown.splitlines()]
    assert started == [*(f"job {job.id}" for job in (search, *trials)), f"batch job {queued.id}"]
    assert {job.state for job in client.jobs({"workflow": site.workflow})} == {JobState.FAILED}
    assert client.batch_jobs(ids=[queued.id])[0].state is BatchState.PENDING_DELETION
    status, _, errors = tasks("kill", "--workflow", site.workflow)
    assert (status, "all its jobs have ended" in errors) == (2, True)


def test_a_batch_job_that_runs_is_deleted_after_the_jobs_in_it_have_ended(client, site):
    search, batch_job = site.job("search"), site.batch_job(BatchState.RUNNING, 16)
    site.take(batch_job)
    site.put(search, JobState.RUNNING)
    outcomes = Killer(client, "ada", ending=60.0).kill_workflow(site.workflow)
    assert "ordered to end" in next(outcomes).line
    obeying = Timer(1.0, site.put, [search, JobState.FAILED])
    obeying.start()
    assert next(outcomes).line == f"batch job {batch_job.id} (running): deleted"
    assert client.job(search.id).state is JobState.FAILED
    assert list(outcomes) == []
    obeying.join()


def test_a_workflow_that_is_not_there_is_told_with_the_near_match(site, tasks):
    site.job("search")
    status, _, errors = tasks("kill", "--workflow", site.workflow + "x")
    assert (status, f"did you mean '{site.workflow}'" in errors) == (2, True)


# ---- retry


def test_a_search_that_was_killed_goes_on_in_the_next_batch_job(client, site):
    search = site.job("search", JobState.FAILED)
    site.batch_job(BatchState.FINISHED, 17)
    site.folder(search).mkdir(parents=True)
    for name in ("over", "crashes", "orders.jsonl"):
        (site.folder(search) / name).write_text("{}\n")
    said = only(Retrier(client).retry([search]))
    assert client.job(search.id).state is JobState.RESTART_READY
    assert list(site.folder(search).iterdir()) == []
    command = f"deephyper balsam-submit hps {site.workflow} --resume -t 30 -q debug -n 2 -A gold -j mpi"
    assert said.line.endswith(command)


def test_a_search_whose_next_batch_job_is_queued_needs_no_other(client, site):
    search, queued = site.job("search", JobState.FAILED), site.batch_job(BatchState.QUEUED, 18)
    assert f"goes on in batch job {queued.id}" in only(Retrier(client).retry([search])).line


def test_a_search_that_has_not_ended_is_refused(client, site):
    search = site.job("search")
    assert only(Retrier(client).retry([search])).verdict is Verdict.REFUSED
    assert client.job(search.id).state is JobState.PREPROCESSED


def test_a_trial_without_an_objective_is_marked_for_its_search(client, site):
    site.job("search")
    first, last = (site.trial(4, JobState.FAILED, LOST, attempt) for attempt in (1, 2))
    assert only(Retrier(client).retry([first])).verdict is Verdict.DONE
    assert client.job(last.id).tags == {**last.tags, "retry": "1"}
    assert "retry" not in client.job(first.id).tags


def test_a_trial_with_an_objective_of_any_attempt_is_refused(client, site):
    first = site.trial(4, JobState.FAILED, LOST, 1)
    last = site.trial(4, JobState.JOB_FINISHED, ENDED_WELL, 2)
    for said in Retrier(client).retry([first, last]):
        assert (said.verdict, "its row is final" in said.line) == (Verdict.REFUSED, True)
    assert "retry" not in {**client.job(first.id).tags, **client.job(last.id).tags}


def test_a_trial_whose_search_is_over_says_what_is_to_be_done_besides(site, tasks):
    search, trial = site.job("search", JobState.FAILED), site.trial(0, JobState.FAILED)
    status, shown, _ = tasks("retry", trial.id)
    assert (status, f"deephyper tasks retry {search.id}" in shown) == (0, True)


def test_anothers_job_runs_again_only_after_it_failed(client, site):
    failed, finished = site.job("other", JobState.FAILED), site.job("other", JobState.JOB_FINISHED)
    verdicts = [said.verdict for said in Retrier(client).retry([failed, finished])]
    assert verdicts == [Verdict.DONE, Verdict.REFUSED]
    assert client.job(failed.id).state is JobState.RESTART_READY
