"""The documented examples of a run function's own launch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from searches import SubmittedSearch

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.models import JobResources
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec, job_spec_of, trial_command
from dh_project.trial.attempt import RESULT, Assignment, RunContext
from dh_project.trial.trial import State
from dh_project.user_code.loading import load_run

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

FAKE_APPTAINER = """\
#!/bin/bash
# A FAKE: there is no apptainer here. It notes how it was called, and runs the command outside of any image.
printf '%s\\n' "$@" > "$FAKE_CALLS"
while [ "$1" != python3 ]; do shift; done
exec "$@"
"""


@pytest.fixture
def run_job(tmp_path):
    """Return a function that runs the trial of an example as its job would, and returns the result."""

    def run(example, point, **environment):
        target = str(EXAMPLES / f"{example}.py")
        context = RunContext(target, {}, str(tmp_path), [*sys.path, str(EXAMPLES)])
        assignment = Assignment(0, 1, point, str(tmp_path / "trial"))
        command = trial_command(job_spec_of(load_run(target)), context, assignment, JobResources())
        job = tmp_path / "job"
        job.mkdir()
        here = {"BALSAM_JOB_ID": "1", "BALSAM_CLIENT_PATH": "nowhere", "OMP_NUM_THREADS": "1", **environment}
        done = subprocess.run(
            ["/bin/bash", "-c", command], cwd=job, env={**os.environ, **here}, timeout=120, check=False
        )
        return done.returncode, json.loads((tmp_path / "trial" / RESULT).read_text())

    return run


@pytest.mark.slow
def test_two_processes_of_torchrun_train_one_trial(run_job, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    status, result = run_job("torchrun_run", {"lr": 0.1})
    assert (status, result["state"], result["facts"]) == (0, "done", {"ranks": 2})


def test_a_container_runs_the_worker_with_its_own_python(run_job, tmp_path):
    fake = tmp_path / "apptainer"
    fake.write_text(FAKE_APPTAINER)
    fake.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    status, result = run_job("container_run", {"x": 0.3}, PATH=path, FAKE_CALLS=str(tmp_path / "calls"))
    called = (tmp_path / "calls").read_text().splitlines()
    assert (status, result["objective"]) == (0, 0.0)
    assert called[:2] == ["exec", "--nv"]
    assert called[4:6] == ["images/model.sif", "python3"]


@pytest.mark.balsam
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_ranks_of_a_real_launcher_train_each_trial(installation):
    example = EXAMPLES / "data_parallel_run.py"
    what = ("-p", example, "-r", example)
    search = SubmittedSearch(installation, "ranks", "--max-evals", 3, what=what, job_mode="mpi")
    history = search.wait_until_over()
    assert [trial.state for trial in history.ended] == [State.DONE] * 3
    assert [trial.metadata["ranks"] for trial in history.ended] == [2] * 3


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("torchrun", "a str; give a BalsamJobSpec"),
        (BalsamJobSpec(command="torchrun train.py"), "nothing runs the trial"),
        (BalsamJobSpec(command="run {worker} {gpus}"), "may name {worker} and {image}"),
        (BalsamJobSpec(command="apptainer exec {image} {worker}"), "no image is given"),
    ],
)
def test_a_launch_that_cannot_be_is_refused(spec, said):
    def run(point):
        return 0.0

    run.balsamjob_spec = spec
    with pytest.raises(UserError) as refused:
        job_spec_of(run)
    assert said in str(refused.value)


def test_the_image_of_the_site_is_used_if_the_run_function_names_none():
    spec = job_spec_of(lambda point: 0.0, image="site.sif")
    assert (spec.image, "{image}" in spec.command) == ("site.sif", True)
