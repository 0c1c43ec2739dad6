"""The record of a search's batch jobs."""

import json

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.record import JOBS, BatchJob, following, record_job, recorded_jobs


def job(name, after=None):
    return BatchJob(job=name, site="here", scheduler="pbs", queue="q", nodes=1, minutes=5, after=after)


def test_jobs_are_read_as_they_were_recorded(tmp_path):
    jobs = [job("1.s"), job("2.s", after="1.s")]
    for each in jobs:
        record_job(tmp_path, each)
    assert recorded_jobs(tmp_path) == jobs


def test_a_torn_line_is_cut_off_by_the_next_job(tmp_path):
    record_job(tmp_path, job("1.s"))
    with (tmp_path / JOBS).open("a") as file:
        file.write('{"job": "2.')
    assert [each.job for each in recorded_jobs(tmp_path)] == ["1.s"]
    record_job(tmp_path, job("3.s"))
    assert [each.job for each in recorded_jobs(tmp_path)] == ["1.s", "3.s"]


@pytest.mark.parametrize(("line", "said"), [("{}", "line 1"), (None, "newer dh_project")])
def test_what_cannot_be_read_is_refused(tmp_path, line, said):
    newer = json.loads(job("1.s").model_dump_json()) | {"schema_version": 99}
    (tmp_path / JOBS).write_text((line or json.dumps(newer)) + "\n")
    with pytest.raises(UserError, match=said):
        recorded_jobs(tmp_path)


def test_those_that_follow_a_job_are_those_that_wait_for_it_in_turn():
    jobs = [job("1"), job("2", "1"), job("3", "2"), job("4"), job("5", "4")]
    assert following(jobs, "1") == ["2", "3"]
    assert following(jobs, "4") == ["5"]
    assert following(jobs, "3") == []
