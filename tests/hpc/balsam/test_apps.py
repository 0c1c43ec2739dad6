"""Jobs of the two apps of a site, in batch jobs of this machine."""

import time

import psutil
import pytest

from dh_project.hpc.balsam.client.models import BatchRequest, BatchState, JobRequest, JobState
from dh_project.hpc.balsam.client.tags import SEARCH, TRIAL, WORKFLOW
from dh_project.hpc.balsam.install.apps import register_apps
from dh_project.hpc.balsam.install.services import Services

pytestmark = pytest.mark.balsam

ENDED = (JobState.JOB_FINISHED, JobState.FAILED)


@pytest.fixture
def site_id(installation):
    return installation.describe().site_id


@pytest.fixture
def submit(client, site_id):
    """Creates jobs with an app and a command, and a batch job for them, which is deleted at the end."""
    apps = {app.name: app.id for app in client.apps(site_id)}
    batch_jobs = []

    def submit(workflow, mode, *jobs):
        made = client.create_jobs(
            [
                JobRequest(
                    app_id=apps[app],
                    workdir=f"{workflow}/{number}",
                    tags={WORKFLOW: workflow},
                    parameters={"command": command},
                    node_packing_count=4,
                )
                for number, (app, command) in enumerate(jobs)
            ]
        )
        batch_jobs.append(client.create_batch_job(batch_request(site_id, workflow, mode)))
        return [job.id for job in made]

    yield submit
    for batch_job in batch_jobs:
        client.delete_batch_job(batch_job.id)


def batch_request(site_id, workflow, mode="serial"):
    return BatchRequest(
        site_id=site_id, num_nodes=1, wall_time_min=10, job_mode=mode, queue="local", project="local",
        filter_tags={WORKFLOW: workflow},
    )  # fmt: skip


def until(condition, seconds=90.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.5)


def ended(client, ids):
    until(lambda: all(job.state in ENDED for job in client.jobs(ids=ids)))
    return {job.id: job for job in client.jobs(ids=ids)}


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def name_of(mode):
    return f"{mode}-{time.time_ns()}"


@pytest.mark.parametrize("mode", ["serial", "mpi"])
def test_commands_run_as_they_are_written(client, submit, installation, mode):
    workflow = name_of(mode)
    quoted = """echo "it's $((1 + 1))" > said; echo $OMP_NUM_THREADS"""
    good, bad = submit(workflow, mode, (TRIAL, quoted), (TRIAL, "exit 3"))
    states = {number: job.state for number, job in ended(client, [good, bad]).items()}
    assert states == {good: JobState.JOB_FINISHED, bad: JobState.FAILED}
    assert (installation.data / workflow / "0" / "said").read_text() == "it's 2\n"


def test_two_batch_jobs_of_serial_mode_do_not_take_each_others_jobs(client, submit):
    first, second = name_of("first"), name_of("second")
    wait = "sleep 6; test $BALSAM_SITE_PATH"
    ids = [
        submit(first, "serial", (TRIAL, wait), (TRIAL, wait)),
        submit(second, "serial", (TRIAL, wait), (TRIAL, wait)),
    ]
    for own in ids:
        jobs = ended(client, own).values()
        assert [job.state for job in jobs] == [JobState.JOB_FINISHED] * 2
        assert len({job.batch_job_id for job in jobs}) == 1
    batch_jobs = [client.job(own[0]).batch_job_id for own in ids]
    assert len(set(batch_jobs)) == 2


def test_a_search_that_crashes_runs_again_until_it_is_over(client, submit, installation):
    workflow = name_of("crash")
    crash = 'echo x >> "../runs"; [ $(wc -l < ../runs) -lt 3 ] || touch over; exit 42'
    [job] = submit(workflow, "serial", (SEARCH, crash))
    assert ended(client, [job])[job].state == JobState.FAILED
    assert (installation.data / workflow / "runs").read_text() == "x\nx\nx\n"


@pytest.mark.parametrize("mode", ["serial", "mpi"])
def test_a_batch_job_that_is_deleted_ends_with_all_that_it_runs(client, submit, installation, mode):
    workflow = name_of(mode)
    [job] = submit(workflow, mode, (TRIAL, "trap 'touch told; kill $!; exit 1' TERM; sleep 1000 & wait"))
    until(lambda: client.job(job).state == JobState.RUNNING)
    [batch_job] = client.batch_jobs(tags={WORKFLOW: workflow})
    processes = psutil.Process(batch_job.scheduler_id).children(recursive=True)
    client.delete_batch_job(batch_job.id)
    until(lambda: client.batch_jobs(ids=[batch_job.id])[0].state == BatchState.FINISHED)
    assert not any(map(lives, processes))
    assert (installation.data / workflow / "0" / "told").exists()
    until(lambda: client.job(job).state in (*ENDED, JobState.RESTART_READY))


def test_a_batch_job_that_is_deleted_before_its_submission_ends(client, installation, site_id, capsys):
    services = Services(installation)
    services.agent.stop()
    batch_job = client.create_batch_job(batch_request(site_id, "never"))
    client.delete_batch_job(batch_job.id)
    services.start(installation.describe(), print)
    until(lambda: client.batch_jobs(ids=[batch_job.id])[0].state == BatchState.FINISHED)


def test_apps_that_are_there_are_not_registered_again(client, installation, site_id):
    before = client.apps(site_id)
    assert register_apps(installation, client, site_id) is False
    assert client.apps(site_id) == before
