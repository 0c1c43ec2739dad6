"""``deephyper submit`` without a scheduler: the script that it prints, and what it refuses and leaves nothing of."""

import itertools
import re
import shlex
import subprocess
import textwrap
import tomllib

import pytest

from dh_project.cli import hps_options as options
from dh_project.cli.main import main
from dh_project.cli.parser import Parser

REQUEST = ["--nodes", "2", "--minutes", "60", "--queue", "debug", "--project", "mine"]


def files_in(folder):
    """Return all that is in a folder, but for what Python leaves of the modules that it imports."""
    return [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts]


@pytest.fixture
def here(tmp_path, monkeypatch, samples):
    """A project's folder, in which the command is given."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("small_problem.py", "small_run.py"):
        (folder / name).write_text((samples / name).read_text())
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def submit(capsys, here):
    """Return a function that gives the command; it gives exit status, script, and what is said beside it."""

    def submit(*words, site="polaris", request=REQUEST, search=True):
        named = ["--problem", "small_problem.py", "--run", "small_run.py"] if search else []
        before = files_in(here)
        try:
            status = main(["submit", site, *map(str, [*request, *named, *words])])
        except SystemExit as leaving:
            status = leaving.code
        assert files_in(here) == before
        said = capsys.readouterr()
        return status, said.out, said.err

    return submit


@pytest.fixture
def refused(submit):
    """Return a function that gives a command that is refused, and gives the line."""

    def refused(*words, **more):
        status, out, errors = submit(*words, **more)
        assert (status, out, errors.count("\n")) == (2, "", 1), errors
        return errors

    return refused


def test_a_dry_run_prints_the_script_alone_and_says_the_rest_beside_it(submit, here):
    status, script, said = submit("--dry-run", "--max-evals", 60)
    assert status == 0
    assert script.startswith("#!/bin/bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "#PBS -l walltime=01:00:00" in script
    assert f"jobs run in {here}" in said
    assert re.search(r"^environment ", said, re.MULTILINE)


def settings_in(said):
    """Return the settings of the search that a dry run shows."""
    shown = said.partition("search.toml:\n")[2]
    lines = itertools.takewhile(lambda line: line.startswith(" " * 13) or not line, shown.split("\n"))
    return tomllib.loads(textwrap.dedent("\n".join(lines)))


def test_the_search_is_told_what_the_user_said(submit, here):
    words = ["--run-kwargs", "seconds=2", "scale=3", "--stopper", "bandit", "slack_factor=0.2", "--seed", 7]
    _, script, said = submit("--dry-run", *words, "--log-dir", "out", "--kappa", 2.5, "--max-failures", "50%")
    command = " ".join(script.replace("\\\n", " ").split())
    assert "deephyper hps ambs --evaluator mpi" in command
    assert f"--settings {here}/out/search.toml" in command
    assert settings_in(said) == {
        "problem": f"{here}/small_problem.py",
        "run": f"{here}/small_run.py",
        "folder": f"{here}/out",
        "evaluator": "mpi",
        "run_kwargs": {"seconds": 2, "scale": 3},
        "stopper": "bandit",
        "stopper_settings": {"slack_factor": 0.2},
        "seed": 7,
        "searcher_settings": {"kappa": 2.5},
        "max_failures": 0.5,
    }


def test_a_margin_and_a_trials_share_reach_the_search(submit):
    _, script, _ = submit("--dry-run", "--margin", 200, "--num-evals-per-node", 2, "--num-cpus-per-task", 3)
    assert "--margin 200" in script
    assert "ranks_per_node=2" in script
    assert "--num-cpus-per-task 3" in script


def test_a_share_of_a_gpu_makes_the_trials_of_a_node(submit):
    _, script, _ = submit("--dry-run", "--evaluator", "ray", "--num-gpus-per-task", 0.5)
    assert "ranks_per_node=8" in script
    assert '--num-workers "$ranks" --num-cpus-per-task 4 --num-gpus-per-task 0.5 ' in script
    assert script.count("--num-gpus-per-task") == 1


def test_trials_of_several_nodes_are_those_that_fit(submit):
    _, script, _ = submit("--dry-run", "--ranks-per-trial", 4, "--nodes-per-trial", 2)
    assert '--num-workers "$(( nodes / 2 * (ranks_per_node / 2) ))"' in script


def test_a_value_that_begins_with_a_dash_reaches_the_search(submit, here):
    _, script, said = submit("--dry-run", "--experiment=--foo", "--scratch=-x", "--log-dir", "out")
    command = script.replace("\\\n", " ").partition(" deephyper hps ambs ")[2].partition("\n")[0]
    job = Parser()
    options.add_options(job)
    options.add_ambs_options(job)
    arguments = job.parse_args(shlex.split(re.sub(r'"\$(ranks|\(\( .*? \)\))"', "300", command)))
    assert settings_in(said)["labels"] == {"experiment": "--foo"}
    assert arguments.scratch == here / "-x"


def test_a_scratch_of_the_jobs_own_is_filled_in_there(submit):
    _, script, _ = submit("--dry-run", "--scratch", "/tmp/$USER")
    assert '--scratch "/tmp/$USER"' in script


def test_a_site_whose_gpus_the_shipped_model_does_not_use_says_so(submit):
    _, _, said = submit("--dry-run", site="aurora")
    assert "note         the shipped CGCNN uses no Intel GPU" in said


def test_a_ray_cluster_is_started_if_it_is_asked_for(submit):
    _, script, _ = submit("--dry-run", "--evaluator", "ray", "--searcher", "random")
    assert "ray start --head" in script
    assert "hps random" in script


def test_at_its_end_a_job_looks_whether_the_later_ones_are_needed(submit, here):
    _, script, _ = submit("--dry-run", "--log-dir", "out")
    assert f'python -m dh_project.hpc.batch_jobs.end_chain {here}/out "$status"' in script


def test_a_copy_is_what_runs(submit, here):
    (here / ".gitignore").write_text("*.log\n")
    (here / "old.log").touch()
    status, script, said = submit("--dry-run", "--snapshot", "--log-dir", "out")
    assert status == 0
    code = here / "out" / "code"
    assert f"cd {code}" in script
    assert settings_in(said)["problem"] == f"{code}/small_problem.py"
    assert f"export PYTHONPATH={code}" in script
    assert f"{code}, a copy of {here}: 3 files, 0.0 MiB, without the files in .gitignore" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--walltime", "60"], "--walltime: the job script gives it"),
        (["--fresh"], "name another --log-dir"),
        (["--ray-address", "auto"], "--ray-address: the script starts the job's own cluster"),
        (["--num-workers", "3"], "--num-evals-per-node"),
        (["--workflow", "w"], "belongs to the evaluator balsam"),
        (["--evaluator", "process"], "valid: mpi, ray"),
        (["--evaluator", "mpy"], "did you mean 'mpi'?"),
        (["--searcher", "random", "--kappa", "3"], "--kappa: random search has no model"),
        (["--chain", "0"], "give at least 1"),
        (["--chian", "2"], "did you mean '--chain'?"),
        (["--margin", "3600"], "--minutes 60: the margin of 3600 s leaves no time"),
        (["--max-evals", "0"], "give at least 1"),
        (["--surrogate-model", "ETT"], "did you mean 'ET'?"),
        (["--stopper", "medain"], "did you mean 'median'?"),
        (["--run-kwargs", "secnds=1"], "did you mean 'seconds'?"),
        (["--environment", "./no_such"], "there is no such folder"),
        (["--snapshot-limit", "3"], "it needs --snapshot; give --snapshot, too"),
        (["--snapshot"], "name another --log-dir"),
        (["--snapshot", "--log-dir", "out", "--snapshot-limit", "0.001"], "more than 0.001 MiB"),
        (["--warm-start", "no_such.csv"], "no_such.csv"),
        (["--log-dir", "small_run.py"], "this is a file"),
        (["--log-dir", "s", "--scratch", "s/x"], "--scratch s/x: it lies in --log-dir s"),
        (["--num-gpus-per-task", "nan"], "--num-gpus-per-task nan: give 0 or more"),
        (["--num-gpus-per-task=-1"], "--num-gpus-per-task -1: give 0 or more"),
        (["--num-gpus-per-task", "1", "--num-evals-per-node", "8"], "hold 4 trials of 1"),
        (["--ranks-per-trial", "8", "--nodes-per-trial", "4"], "2 nodes of polaris of 4 ranks hold no trial"),
    ],
)
def test_a_mistake_is_one_line(refused, words, said):
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("request_words", "said"),
    [
        (["--nodes", "4", "--minutes", "90", "--queue", "prod", "--project", "p"], "preemptable, capacity"),
        (["--nodes", "2", "--minutes", "60", "--queue", "debug"], "give --project"),
        (["--nodes", "0", "--minutes", "60"], "give at least 1"),
        (["--minutes", "60"], "--nodes"),
    ],
)
def test_what_the_queue_would_refuse_is_refused_before(refused, request_words, said):
    assert said in refused(request=request_words)


def test_a_chain_of_more_jobs_than_a_project_may_have_is_refused(refused):
    request = ["--nodes", "2", "--minutes", "60", "--queue", "preemptable", "--project", "p"]
    assert "takes 20 jobs of a project at a time, not 21" in refused("--chain", 21, request=request)


def test_a_queue_that_takes_one_job_takes_no_chain(refused):
    request = ["--nodes", "2", "--minutes", "60", "--queue", "debug-scaling", "--project", "p"]
    assert "takes 1 job of a user at a time, not 3" in refused("--chain", 3, request=request)


@pytest.mark.parametrize(
    ("problem", "run", "said"),
    [
        ("nope.Problem", "small_run.py", "there is no module 'nope'"),
        ("small_problem.py", "nope.py", "nope.py'; name a Python file"),
    ],
)
def test_problem_and_run_are_loaded(refused, problem, run, said):
    assert said in refused("--problem", problem, "--run", run, search=False)


def test_another_search_in_the_folder_is_not_gone_on_with(refused, here, capsys):
    search = [
        "hps",
        "random",
        "--evaluator",
        "process",
        "--problem",
        "small_problem.py",
        "--run",
        "small_run.py",
    ]
    assert main([*search, "--max-evals", "2", "--log-dir", "out", "--num-workers", "1"]) == 0
    capsys.readouterr()
    assert "all 2 trials have ended already" in refused("--log-dir", "out", "--max-evals", 2)
    assert "--seed was 42 there and is 3 now" in refused("--log-dir", "out", "--seed", 3)


def test_a_dry_run_shows_the_command_of_each_job_of_a_chain(submit, here):
    _, _, said = submit("--dry-run", "--chain", 3, "--log-dir", "out", site="slurm")
    script = here / "out" / "job.sh"
    assert [line.split(maxsplit=2)[2] for line in said.splitlines() if line.startswith("would submit")] == [
        f"sbatch --parsable {script}",
        f"sbatch --parsable --dependency=afterany:ID1 {script}",
        f"sbatch --parsable --dependency=afterany:ID2 {script}",
    ]


def test_the_short_options_of_balsam_submit_are_known(submit):
    status, script, _ = submit("--dry-run", request=["-n", "2", "-t", "60", "-q", "debug", "-A", "mine"])
    assert status == 0
    assert "#PBS -A mine" in script


def test_a_further_line_reaches_the_scheduler(submit):
    _, script, _ = submit("--dry-run", "--directive=--gres=gpu:4", "--directive=--mem=0", site="slurm")
    assert "#SBATCH --gres=gpu:4\n#SBATCH --mem=0\n" in script


def test_a_directive_of_two_lines_is_refused(refused):
    assert "--directive" in refused("--directive=--mem=0\nrm -rf x")


def test_a_chain_is_no_longer_than_a_user_may_have_jobs_in_a_queue(submit, refused):
    def request(queue):
        return ["-n", "1", "-t", "60", "-q", queue, "-A", "mine"]

    assert submit("--dry-run", "--chain", 1, site="frontier", request=request("debug"))[0] == 0
    said = refused("--dry-run", "--chain", 2, site="frontier", request=request("debug"))
    assert "queue debug takes 1 job of a user at a time, not 2" in said
    assert submit("--dry-run", "--chain", 2, site="frontier", request=request("batch"))[0] == 0


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["--max-evals", 60], None),
        (["--num-evals-per-node", 2], "4 of the 8 GPUs"),
        (["--num-evals-per-node", 8], None),
        (["--num-gpus-per-task", 0], "8 of the 8 GPUs"),
        (["--num-gpus-per-task", 0.5], None),
        (["--max-evals", 6], "2 of the 8 GPUs"),
        (["--ranks-per-trial", 3], "2 of the 8 GPUs"),
    ],
)
def test_idle_gpus_are_told(submit, words, idle):
    status, _, said = submit("--dry-run", *words)
    assert status == 0
    assert ("stay idle" in said) == (idle is not None)
    assert (idle or "") in said


def test_a_missing_package_is_a_note_of_a_dry_run_and_refused_otherwise(submit, refused, monkeypatch):
    monkeypatch.setattr("dh_project.cli.submit.NEEDS", {"mpi": "no_such_package"})
    status, script, said = submit("--dry-run")
    assert (status, script[:11]) == (0, "#!/bin/bash")
    assert "note         this environment has no no_such_package; install: " in said
    assert "this environment has no no_such_package" in refused()


def test_a_machine_without_the_scheduler_is_told(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (
        "qsub: not on this machine; submit from a login node of polaris, or print the script with --dry-run"
        in refused()
    )
