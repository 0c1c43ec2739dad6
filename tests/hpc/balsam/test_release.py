"""Jobs of a dead launcher are freed before the next one starts; and each batch job submits the next one."""

import pytest

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BatchState, JobState
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.chain import AFTER, Chain, batch_jobs_of
from dh_project.hpc.balsam.jobs.release import release

from agentless_site import AgentlessSite  # isort: skip

pytestmark = pytest.mark.balsam


@pytest.fixture(scope="module")
def client(balsam_folder):
    with BalsamClient.of(Installation(balsam_folder), patience=10.0) as client:
        yield client


@pytest.fixture
def site(client, tmp_path):
    site = AgentlessSite(client, tmp_path / "site")
    yield site
    site.remove()


def state(site, job):
    return site.client.job(job.id).state


def freed(site, after=None):
    return {job.id for job in release(site.client, site.id, site.workflow, after)}


def can_be_taken(site):
    """Return the jobs that a newly started launcher gets."""
    return site.take(site.batch_job(BatchState.RUNNING, 999))


# ---- a launcher that died


def test_the_search_is_started_again_and_a_trial_that_ran_is_not(site):
    search, trial = site.job("search"), site.trial(1)
    died = site.batch_job(BatchState.RUNNING, 70)
    site.take(died)
    site.put(search, JobState.RUNNING)
    site.put(trial, JobState.RUNNING)
    site.move(died, BatchState.FINISHED)
    assert freed(site) == {search.id, trial.id}
    assert state(site, search) is JobState.RESTART_READY
    assert state(site, trial) is JobState.FAILED
    assert can_be_taken(site) == {search.id}


@pytest.mark.parametrize("waiting", [JobState.PREPROCESSED, JobState.RESTART_READY])
def test_what_it_had_taken_and_not_started_can_be_taken_again(site, waiting):
    search, trial = site.job("search", waiting), site.trial(1)
    died = site.batch_job(BatchState.RUNNING, 70)
    assert site.take(died) == {search.id, trial.id}
    assert freed(site, after=70) == {search.id, trial.id}
    assert state(site, trial) is JobState.PREPROCESSED
    assert can_be_taken(site) == {search.id, trial.id}


def test_what_is_freed_is_in_no_launchers_reach_before_it_is_free(site):
    """A launcher that takes the job between two steps would run it without holding it."""
    trial = site.trial(1)
    site.take(site.batch_job(BatchState.RUNNING, 70))
    assert freed(site, after=70) == {trial.id}
    steps = [event.to_state for event in reversed(site.client.events(trial.id))]
    assert steps[-2:] == [JobState.AWAITING_PARENTS, JobState.PREPROCESSED]


def test_a_batch_job_is_known_to_have_ended_by_the_one_that_waited_for_it(site):
    search = site.job("search")
    site.take(site.batch_job(BatchState.RUNNING, 70))
    site.put(search, JobState.RUNNING)
    assert freed(site) == set()
    assert freed(site, after=71) == set()
    assert freed(site, after=70) == {search.id}


def test_jobs_of_a_launcher_that_lives_are_left_alone(site):
    search, trial = site.job("search"), site.trial(1)
    site.take(site.batch_job(BatchState.RUNNING, 70))
    site.put(search, JobState.RUNNING)
    assert freed(site) == set()
    assert state(site, search) is JobState.RUNNING
    assert state(site, trial) is JobState.PREPROCESSED


def test_jobs_that_have_ended_or_wait_for_a_launcher_are_left_alone(site):
    jobs = [site.job("search", JobState.JOB_FINISHED), site.trial(1, JobState.FAILED), site.trial(2)]
    assert freed(site) == set()
    assert [state(site, job) for job in jobs] == [job.state for job in jobs]


# ---- one batch job after another


@pytest.fixture
def running(site):
    """Return the job of a search and the batch job in which it runs."""
    search = site.job("search")
    present = site.batch_job(BatchState.RUNNING, 70)
    site.take(present)
    return site.put(search, JobState.RUNNING), present


def chain(site, search, last):
    return Chain(site.client, site.id, site.workflow, search.id, last)


def ahead(site, present):
    return [each for each in batch_jobs_of(site.client, site.id, site.workflow) if each.id != present.id]


def submitted(site, running, last):
    """Start a chain, wait for its thread, and return the batch jobs that it made."""
    search, present = running
    links = chain(site, search, last)
    links.start()
    links.join(30.0)
    return links, ahead(site, present)


def test_the_next_one_asks_for_the_same_and_waits_for_this_one(site, running):
    _, [following] = submitted(site, running, 2)
    _, present = running
    assert following.optional_params == {AFTER: "70"}
    for name in ("num_nodes", "wall_time_min", "job_mode", "queue", "project", "filter_tags"):
        assert getattr(following, name) == getattr(present, name)


def test_there_are_no_more_of_them_than_wanted(site, running):
    assert submitted(site, running, 1)[1] == []
    submitted(site, running, 2)
    assert len(submitted(site, running, 2)[1]) == 1


def test_only_one_is_ahead_however_often_the_driver_starts(site, running):
    submitted(site, running, 5)
    assert len(submitted(site, running, 5)[1]) == 1


def test_at_the_end_those_that_wait_are_taken_out_of_the_queue(site, running):
    links, [following] = submitted(site, running, 3)
    site.move(following, BatchState.QUEUED, 71)
    other = AgentlessSite.batch_job(site, BatchState.RUNNING, 72)  # of the same workflow, and running
    assert [each.id for each in links.end(10.0)] == [following.id]
    states = {each.id: each.state for each in batch_jobs_of(site.client, site.id, site.workflow)}
    assert states[following.id] is BatchState.PENDING_DELETION
    assert states[running[1].id] is BatchState.RUNNING
    assert states[other.id] is BatchState.RUNNING


def test_one_that_a_scheduler_counts_as_running_while_it_waits_is_taken_out_too(site, running):
    links, [following] = submitted(site, running, 3)
    site.move(following, BatchState.RUNNING, 71)
    assert [each.id for each in links.end(10.0)] == [following.id]


def test_one_that_the_agent_has_not_submitted_yet_is_not_asked_to_be_deleted(site, running):
    """Otherwise the agent's scheduler service would crash."""
    links, [following] = submitted(site, running, 3)
    links.end(10.0)
    assert site.client.batch_jobs(ids=[following.id])[0].state is BatchState.FINISHED


def test_another_search_is_left_alone(site, running):
    site_of_other, other = site.workflow, site.batch_job(BatchState.QUEUED, 80)
    site.workflow = f"{site_of_other}-more"
    links = Chain(site.client, site.id, site.workflow, running[0].id, 2)
    assert links.end(10.0) == []
    assert site.client.batch_jobs(ids=[other.id])[0].state is BatchState.QUEUED
    assert tags.WORKFLOW in other.filter_tags
