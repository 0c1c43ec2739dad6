import shlex
import subprocess

import jinja2
import pytest

from dh_project.hpc.balsam.install.environment import run_inside
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.install.job_template import local_template, mended_template
from dh_project.hpc.balsam.install.site import LOCAL, SYSTEMS

pytestmark = pytest.mark.balsam

NAMED = sorted(SYSTEMS.keys() - {LOCAL})

DIRECTIVES = {
    "polaris": "#PBS -W depend=afterany:77",
    "aurora": "#PBS -W depend=afterany:77",
    "sunspot": "#PBS -W depend=afterany:77",
    "perlmutter-gpu": "#SBATCH --dependency=afterany:77",
    "perlmutter-cpu": "#SBATCH --dependency=afterany:77",
    "summit": '#BSUB -w "ended(77)"',
    "theta": "#COBALT --dependencies 77",
    "thetagpu": "#COBALT --dependencies 77",
    "cooley": "#COBALT --dependencies 77",
}


@pytest.fixture(scope="module")
def template_of(balsam_folder):
    """Return a function that makes a system's template from the one that Balsam ships."""

    def template(site_type):
        if site_type == LOCAL:
            return local_template(Installation(balsam_folder))
        shipped = run_inside(
            Installation(balsam_folder), "defaults.py", given={"system": SYSTEMS[site_type], "changed": {}}
        )
        return mended_template(shipped["template"], Installation(balsam_folder))

    return template


def render(template, minutes=30, mode="serial", tags=None, **optional):
    return jinja2.Template(template).render(
        project="p", queue="q", num_nodes=2, wall_time_min=minutes, job_mode=mode, partitions="",
        filter_tags={"workflow": "demo"} if tags is None else tags, optional_params=optional,
        balsam_site_path="/site", launcher_cmd="LAUNCHER",
    )  # fmt: skip


@pytest.mark.parametrize("system", ["polaris", "aurora", "sunspot"])
@pytest.mark.parametrize(
    ("minutes", "walltime"),
    [
        (1, "0:01:00"),
        (59, "0:59:00"),
        (60, "1:00:00"),
        (90, "1:30:00"),
        (150, "2:30:00"),
        (1440, "24:00:00"),
        (4320, "72:00:00"),
    ],
)
def test_pbs_is_told_the_right_walltime(template_of, system, minutes, walltime):
    assert f"#PBS -l walltime={walltime}\n" in render(template_of(system), minutes)


@pytest.mark.parametrize("system", NAMED)
def test_the_batch_job_before_is_a_directive_among_the_others(template_of, system):
    lines = render(template_of(system), after="77").splitlines()
    place = lines.index(DIRECTIVES[system])
    kind = DIRECTIVES[system].split()[0]
    assert lines[place - 1].startswith(kind)
    assert not any("77" in line for line in render(template_of(system), after="").splitlines())


@pytest.mark.parametrize("system", [LOCAL, *NAMED])
def test_every_script_is_right_for_the_shell(template_of, system):
    for optional in ({}, {"after": "77"}):
        script = render(template_of(system), **optional)
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("system", [LOCAL, *NAMED])
def test_jobs_of_a_dead_launcher_are_freed_before_the_next_one_starts(template_of, system):
    lines = render(template_of(system), after="77").splitlines()
    [release] = [line for line in lines if "dh_project.hpc.balsam.jobs.release" in line]
    words = shlex.split(release)
    assert words[-4:] == ["demo", "77", "||", "true"]
    assert lines.index(release) < next(
        place for place, line in enumerate(lines) if line.startswith("LAUNCHER")
    )


def test_a_batch_job_of_no_workflow_frees_nothing(template_of):
    assert "release" not in render(template_of(LOCAL), tags={})


@pytest.mark.parametrize(("mode", "seconds"), [("serial", 28 * 60), ("mpi", 26 * 60)])
def test_jobs_are_told_when_their_launcher_ends(template_of, mode, seconds):
    [line] = [line for line in render(template_of(LOCAL), 30, mode).splitlines() if "JOB_ENDS" in line]
    said = subprocess.run(
        ["bash", "-c", f"{line}; echo $(( DH_PROJECT_JOB_ENDS - $(date +%s) ))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert abs(int(said.stdout) - seconds) <= 1


def test_the_launcher_of_the_shortest_mpi_job_has_a_minute(template_of):
    [line] = [line for line in render(template_of(LOCAL), 3, "mpi").splitlines() if "JOB_ENDS" in line]
    assert "60 * 1 " in line
