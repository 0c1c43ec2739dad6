"""A submission is read as it was written, and requests that a site does not take are refused in one line."""

from datetime import UTC, datetime, timedelta

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.client import BalsamClient, Unavailable
from dh_project.hpc.balsam.client.credentials import Token, write_token
from dh_project.hpc.balsam.client.models import BalsamSite, JobResources
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.agent_contact import is_silent
from dh_project.hpc.balsam.jobs.batch_request import (
    BalsamRequest,
    check_balsam_request,
    check_margin,
    check_minutes,
)
from dh_project.hpc.balsam.jobs.site_settings import SiteSettings
from dh_project.hpc.balsam.jobs.submission import OVER, SUBMISSION, Over, Submission, check_name
from dh_project.hpc.balsam.jobs.submitting import Target, driver_command, making_job, new_request


def submission(**more):
    search = {"problem": "a.Problem", "run": "a.run", "run_kwargs": {"epochs": 2}, "max_evals": 9}
    return Submission(workflow="demo", search=search, import_from="/home/me", **more)


def site(**more):
    queues = {
        "debug": {"max_nodes": 2, "max_walltime": 60, "max_queued_jobs": 1},
        "prod": {"max_nodes": 100, "max_walltime": 600, "max_queued_jobs": 1},
    }
    told = {
        "allowed_queues": queues,
        "allowed_projects": ["gold", "iron"],
        "optional_batch_job_params": {"after": ""},
    }
    fixed = {"id": 1, "name": "here", "path": "/nowhere/site", "last_refresh": datetime.now(UTC)}
    return BalsamSite(**{**fixed, **told, **more})


def asked(queue="debug", project="gold", nodes=1, minutes=30):
    return BalsamRequest(nodes, minutes, queue, project)


def refusal(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_driver_reads_what_it_was_told(tmp_path):
    told = submission(margin=5.0, last_batch_job=3, outputs=tmp_path)
    told.write(tmp_path)
    assert Submission.read(tmp_path) == told


def test_the_settings_of_the_search_are_those_that_were_submitted():
    settings = submission().settings()
    assert (settings.run, settings.run_kwargs, settings.max_evals) == ("a.run", {"epochs": 2}, 9)


@pytest.mark.parametrize("content", ["", "{", '{"workflow": 3}'])
def test_a_submission_that_is_torn_is_one_line_that_names_the_file(tmp_path, content):
    (tmp_path / SUBMISSION).write_text(content)
    assert SUBMISSION in refusal(Submission.read, tmp_path)


def test_a_search_is_over_if_its_driver_said_so(tmp_path):
    assert Over.read(tmp_path) is None
    Over(status=1, reason="all failed").write(tmp_path)
    assert Over.read(tmp_path).reason == "all failed"


def test_a_torn_word_of_the_end_is_none(tmp_path):
    (tmp_path / OVER).write_text('{"status"')
    assert Over.read(tmp_path) is None


@pytest.mark.parametrize("name", ["demo", "polynome2_demo", "v1.2-b", "x" * 100])
def test_a_good_name(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "a b", "-a", ".a", "..", "a'b", "ä", "x" * 101])
def test_a_name_that_could_be_no_folder_no_tag_or_no_word(name):
    refusal(check_name, name)


def test_a_driver_imports_what_the_user_does(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "mine:/other")
    assert f"PYTHONPATH={tmp_path}/mine:/other" in driver_command()
    monkeypatch.delenv("PYTHONPATH")
    assert "PYTHONPATH" not in driver_command()


def test_what_a_queue_gives_is_taken():
    check_balsam_request(site(), asked(nodes=2, minutes=60), 2)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            {"queue": "debg"},
            "unknown queue of site here: 'debg' (did you mean 'debug'?)",
        ),
        (
            {"nodes": 3},
            "queue debug takes 1 to 2 nodes, not 3; queues that take 3 nodes for 30 minutes: prod",
        ),
        (
            {"minutes": 61},
            "at most 60 minutes, not 61; queues that take 1 node for 61 minutes: prod",
        ),
        ({"nodes": 101}, "no queue takes 101 nodes for 30 minutes"),
        ({"project": "gld"}, "-A gld: not a project of site here (did you mean 'gold'?); it has: gold, iron"),
        ({"project": ""}, "-A: site here needs a project that pays; it has: gold, iron"),
    ],
)
def test_what_a_site_does_not_give(what, said):
    assert said in refusal(check_balsam_request, site(), asked(**what), 1)


def test_a_chain_is_refused_if_the_site_cannot_make_batch_jobs_wait():
    extra = {"optional_batch_job_params": {"shout": "no"}}
    check_balsam_request(site(**extra), asked(), 1)
    assert "--chain 2" in refusal(check_balsam_request, site(**extra), asked(), 2)


def test_before_an_agent_has_told_the_server_the_sites_settings_are_asked(tmp_path):
    (tmp_path / "settings.yml").write_text(
        "scheduler:\n  allowed_projects: [local]\n  optional_batch_job_params: {after: ''}\n"
        "  allowed_queues: {local: {max_nodes: 1, max_walltime: 10, max_queued_jobs: 5}}\n"
    )
    new = site(path=str(tmp_path), allowed_queues={}, allowed_projects=[])
    assert "at most 10 minutes" in refusal(check_balsam_request, new, asked("local", "local", minutes=11), 1)


def test_nothing_is_refused_if_the_queues_are_not_known(tmp_path):
    check_balsam_request(site(path=str(tmp_path), allowed_queues={}), asked("any", "any"), 1)


def test_a_launcher_needs_two_minutes_of_its_batch_job():
    assert "-t 2" in refusal(check_minutes, 2)
    check_minutes(3)


def test_a_margin_leaves_time_to_search():
    check_margin(30, "serial", None)
    for mode, seconds in (("serial", 1680), ("mpi", 1560)):
        check_margin(30, mode, seconds - 1.0)
        assert f"--margin {seconds}" in refusal(check_margin, 30, mode, float(seconds))


def test_an_agent_is_silent_that_was_not_heard_of_for_minutes():
    assert not is_silent(site())
    naive = datetime.now(UTC).replace(tzinfo=None)
    assert not is_silent(site(last_refresh=naive))
    assert is_silent(site(last_refresh=naive - timedelta(hours=1)))


@pytest.mark.parametrize("work", [None, "elsewhere"])
def test_nothing_is_left_of_a_search_that_the_server_does_not_hear_of(tmp_path, work):
    installation = Installation(tmp_path / "polydb")
    write_token(installation.token_file, Token("http://127.0.0.1:1", "abc", None))
    settings = SiteSettings(work_directory=tmp_path / work if work else None)
    with BalsamClient.of(installation) as client:
        target = Target(installation, client, site(), settings)
        request = new_request(1, "demo", JobResources())
        with pytest.raises(Unavailable), making_job(target, request, submission()):
            pass
    assert not [path for path in tmp_path.rglob("*") if "demo" in path.name]
