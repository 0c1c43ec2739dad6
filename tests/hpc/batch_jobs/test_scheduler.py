"""The commands of a scheduler: their arguments, and how their output is read."""

import shlex

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs import scheduler as module
from dh_project.hpc.batch_jobs.scheduler import scheduler_of


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "job.sh"
    path.write_text("#!/bin/bash\n")
    return path


def test_pbs_takes_the_last_word_for_the_job(command_on_path, script):
    words = command_on_path("qsub", "echo welcome to this machine; echo 12.server.site")
    assert scheduler_of("pbs", "polaris").submit(script, after="11.server.site") == "12.server.site"
    assert words.read_text() == f"-W depend=afterany:11.server.site {script}\n"


def test_slurm_names_the_cluster_after_the_job(command_on_path, script):
    words = command_on_path("sbatch", "echo '12;alps'")
    assert scheduler_of("slurm", "alps").submit(script, after="11") == "12"
    assert words.read_text() == f"--parsable --dependency=afterany:11 {script}\n"


def test_a_job_is_submitted_from_its_scripts_folder(command_on_path, script, tmp_path):
    command_on_path("sbatch", f"pwd > {tmp_path}/where; echo 1")
    scheduler_of("slurm", "alps").submit(script)
    assert (tmp_path / "where").read_text().strip() == str(script.parent)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo; echo 'qsub: no such queue' >&2; echo more >&2; exit 1", "qsub: no such queue"),
        ("echo 'Request rejected.'; exit 3", "qsub: Request rejected."),
        ("exit 4", "qsub: exit status 4, without a message"),
        ("true", "printed no job id"),
    ],
)
def test_a_refusal_is_one_line(command_on_path, script, body, said):
    command_on_path("qsub", body)
    with pytest.raises(UserError) as refused:
        scheduler_of("pbs", "polaris").submit(script)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_command_that_hangs_is_not_waited_for(command_on_path, script, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    command_on_path("sbatch", "exec sleep 600")
    with pytest.raises(
        UserError, match=r"no answer within 0\.2 s; it may have worked all the same: look with squeue"
    ):
        scheduler_of("slurm", "alps").submit(script)


def test_a_command_that_is_not_here_is_told_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="qsub: not on this machine; submit from a login node of polaris"):
        scheduler_of("pbs", "polaris").check_is_here()


def test_a_scheduler_that_is_history_takes_nothing():
    with pytest.raises(UserError, match="theta: nothing can be submitted to its scheduler cobalt"):
        scheduler_of("cobalt", "theta")


def test_pbs_lists_ids_that_are_cut_short(command_on_path):
    command_on_path(
        "qstat", "echo; echo 'Job ID    Username'; echo '--- ---'; echo '12.serv* me'; echo '130.ser* me'"
    )
    assert scheduler_of("pbs", "x").ahead(["12.server", "13.server", "130.server"]) == [
        "12.server",
        "130.server",
    ]


def test_slurm_lists_whole_ids(command_on_path):
    command_on_path("squeue", "echo 12; echo 130")
    assert scheduler_of("slurm", "x").ahead(["12", "13", "130"]) == ["12", "130"]


def test_the_letters_of_pbs_are_told_in_words(command_on_path):
    lines = [
        "12.serv* me prod search 1234 1 1 -- 01:00 R 00:10",
        "13.serv* me prod search -- 1 1 -- 01:00 H --",
    ]
    command_on_path("qstat", f"printf '%s\\n' {shlex.join(lines)}")
    states = scheduler_of("pbs", "x").states(["12.server", "13.server", "14.server"])
    assert states == {"12.server": "running", "13.server": "held"}


def test_the_states_of_slurm_are_its_own_words(command_on_path):
    command_on_path("squeue", "echo 12 RUNNING; echo 13 PENDING")
    assert scheduler_of("slurm", "x").states(["12", "13", "14"]) == {"12": "running", "13": "pending"}


def test_no_answer_is_not_an_empty_queue(command_on_path):
    command_on_path("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match="squeue: slurm_load_jobs error: Unable to contact"):
        scheduler_of("slurm", "x").ahead(["12"])
