"""How a node is shared: the settings in a script, and that the search in the job accepts them."""

import os
import re
import subprocess
from dataclasses import replace

import pytest

from dh_project.common.errors import UserError
from dh_project.evaluators.mpi_slots import slots_of
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.batch_jobs.script import Program, render
from dh_project.hpc.sites.site import load_site
from dh_project.trial.shape import TrialShape

SITES = {name: load_site(name) for name in ("polaris", "perlmutter", "frontier", "aurora", "pbs", "slurm")}
SEARCH = ("hps", "ambs", "--problem", "p.py", "--run", "r.py")


def script(site, nodes=1, evaluator="mpi", ranks_per_node=None, over=1, **shape):
    site = SITES[site] if isinstance(site, str) else site
    program = Program(
        SEARCH,
        evaluator,
        shape=TrialShape(**{"nodes": over, "cores": None} | shape),
        ranks_per_node=ranks_per_node,
    )
    return render(site, Request(nodes, 60, None, "X"), program)


def of_bash(line, **variables):
    """Return the output of a line of Bash."""
    told = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in variables.items()}}
    return subprocess.run(
        ["bash", "-uc", line], env=told, capture_output=True, text=True, check=True
    ).stdout.strip()


def ranks_per_node(text):
    return int(re.search(r"^ranks_per_node=(\d+)$", text, re.MULTILINE)[1])


def shown(text):
    """Return the GPUs that each local rank of a script sees."""
    line = re.search(r"^affinity=.*$", text, re.MULTILINE)
    if line is None:
        return [""] * ranks_per_node(text)
    variable = re.search(r"; export (\w+)=", line[0])[1]
    show = f"{line[0]}; bash -uc \"$affinity\" affinity bash -c 'echo ${variable}'"
    return [
        of_bash(show, PMI_LOCAL_RANK=rank, PALS_LOCAL_RANKID=rank, SLURM_LOCALID=rank)
        for rank in range(ranks_per_node(text))
    ]


def told(text, nodes):
    """Return the options about trials in the search command of a script."""
    each = ranks_per_node(text)
    number = re.search(r'--num-workers "(.+?)" ', text)
    count = of_bash(f"echo {number[1]}", nodes=nodes, ranks_per_node=each, ranks=nodes * each)
    gpus = re.search(r"--num-gpus-per-task (\S+)", text)
    return EvaluatorSettings(TrialShape(gpus=float(gpus[1]) if gpus else None), int(count))


def carried(text, nodes=1, over=1, **shape):
    """Return the GPUs of each process that the evaluator of a job with this script starts."""
    can_count = "ZE_AFFINITY_MASK" not in text
    seen = [[name for name in gpus.split(",") if name and can_count] for gpus in shown(text)]
    ranks = {
        f"node{node}": [(len(seen) * node + rank, gpus) for rank, gpus in enumerate(seen)]
        for node in range(nodes)
    }
    order = SITES[re.search(r"DH_PROJECT_SITE=(\w+)", text)[1]].gpu.order
    settings = told(text, nodes)
    settings = replace(settings, gpu_order=order, shape=replace(settings.shape, nodes=over, **shape))
    return [slot.gpus for slot in slots_of(ranks, settings)]


@pytest.mark.parametrize(
    ("site", "program", "gpus"),
    [
        ("polaris", {}, "3 2 1 0"),
        ("polaris", {"gpus": 0.5}, "3 3 2 2 1 1 0 0"),
        ("polaris", {"gpus": 2}, "3,2 1,0"),
        ("polaris", {"gpus": 4}, "0,1,2,3"),
        ("polaris", {"ranks_per_node": 8}, "3 3 2 2 1 1 0 0"),
        ("polaris", {"ranks_per_node": 12}, "3 3 3 2 2 2 1 1 1 0 0 0"),
        ("polaris", {"ranks_per_node": 6}, "3 3 2 1 1 0"),
        ("polaris", {"ranks_per_node": 2}, "3 1"),
        ("polaris", {"ranks_per_node": 1, "gpus": 2}, "3,2"),
        ("perlmutter", {"gpus": 0.25}, "3 3 3 3 2 2 2 2 1 1 1 1 0 0 0 0"),
    ],
)
def test_the_search_in_a_job_gives_each_rank_the_gpus_that_were_asked_for(site, program, gpus):
    assert [",".join(of) for of in carried(script(site, **program))] == gpus.split()


def test_a_search_without_gpus_has_a_trial_on_each_core():
    text = script("polaris", gpus=0)
    assert "affinity" not in text
    assert carried(text) == [()] * 32


@pytest.mark.parametrize(
    ("program", "masks"),
    [
        ({}, "0 1 2 3 4 5 6 7 8 9 10 11"),
        ({"gpus": 3}, "0,1,2 3,4,5 6,7,8 9,10,11"),
        ({"ranks_per_node": 24}, " ".join(f"{tile} {tile}" for tile in range(12))),
    ],
)
def test_gpus_that_the_search_cannot_count_are_shown_by_the_script_alone(program, masks):
    text = script("aurora", **program)
    assert shown(text) == masks.split()
    assert len(carried(text)) == len(masks.split())


def test_a_launcher_that_shows_each_rank_one_gpu_is_told_of_other_shares(tmp_path):
    text = 'base = "slurm"\n[gpu]\ncount = 4\nvariable = "launcher"\n[launch.bindings]\n8 = "--gpu-bind=single:2"\n'
    (tmp_path / "own.toml").write_text(text)
    own = load_site(str(tmp_path / "own.toml"))
    assert "--gpu-bind=single:2" in script(own, ranks_per_node=8)
    assert "affinity" not in script(own)
    for program in ({"gpus": 2}, {"gpus": 0.25}, {"ranks_per_node": 12}):
        with pytest.raises(UserError, match="the launcher of own shows each rank one GPU"):
            script(own, **program)


@pytest.mark.parametrize(
    ("site", "program", "ranks", "share", "cores"),
    [
        ("polaris", {"gpus": 0.5}, 8, "0.5", 4),
        ("polaris", {"gpus": 2}, 2, "2", 16),
        ("polaris", {"ranks_per_node": 28}, 28, "0.1428", 1),
        ("aurora", {"ranks_per_node": 24}, 24, "0.5", 4),
    ],
)
def test_a_ray_cluster_gets_as_many_trials_as_its_gpus_hold(site, program, ranks, share, cores):
    text = script(site, evaluator="ray", **program)
    assert ranks_per_node(text) == ranks
    assert f'--num-workers "$ranks" --num-cpus-per-task {cores} --num-gpus-per-task {share} ' in text


@pytest.mark.parametrize(
    ("site", "program", "said"),
    [
        ("polaris", {"gpus": float("nan")}, "--num-gpus-per-task nan: give 0 or more"),
        ("polaris", {"gpus": -1}, "--num-gpus-per-task -1: give 0 or more"),
        ("polaris", {"gpus": 1e-12}, "--num-gpus-per-task 1e-12: give 0, or at least 0.0001"),
        ("polaris", {"gpus": 5}, "--num-gpus-per-task 5: there are 4 GPUs"),
        ("polaris", {"gpus": 1.5}, "give a share below 1 or a whole number"),
        ("slurm", {"gpus": 1}, "the file of slurm names no GPUs"),
        (
            "polaris",
            {"gpus": 1, "ranks_per_node": 8},
            "--num-evals-per-node 8: the 4 GPUs of a node of polaris hold 4 trials of 1",
        ),
        ("polaris", {"ranks_per_node": 10**9}, "--num-evals-per-node 1000000000: the 4 GPUs"),
        ("aurora", {"ranks_per_node": 3, "cores": 34}, "has 2 sockets, which do not hold 3 trials"),
    ],
)
@pytest.mark.parametrize("evaluator", ["mpi", "ray"])
def test_a_share_that_no_job_could_have_is_refused(site, program, said, evaluator):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        script(site, evaluator=evaluator, **program)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("nodes", "ranks", "over", "trials"),
    [(5, 6, 3, 2), (4, 8, 4, 2), (4, 8, 2, 2), (9, 2, 2, 16), (3, 8, 1, 1), (2, 1, 1, 8)],
)
def test_a_job_has_as_many_trials_of_several_nodes_as_its_ranks_hold(nodes, ranks, over, trials):
    text = script("polaris", nodes, processes=ranks, over=over)
    assert told(text, nodes).num_workers == trials
    assert len(carried(text, nodes, processes=ranks, over=over)) == trials * ranks


@pytest.mark.parametrize(
    ("site", "nodes", "ranks", "over"),
    [("polaris", 2, 8, 4), ("polaris", 4, 16, 2), ("polaris", 1, 8, 1), ("pbs", 2, 4, 4)],
)
def test_nodes_that_hold_no_trial_are_refused(site, nodes, ranks, over):
    with pytest.raises(UserError, match=f"--ranks-per-trial {ranks}: {nodes} nodes of {site}") as error:
        script(site, nodes, processes=ranks, over=over)
    assert "\n" not in str(error.value)


CORE_LISTS = {
    1: "1-51,53-103",
    2: "1-51:53-103",
    3: "1-25:26-50:53-77",
    4: "1-25:26-50:53-77:78-102",
    6: "1-17:18-34:35-51:53-69:70-86:87-103",
    12: "1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100",
}


@pytest.mark.parametrize(("ranks", "lists"), CORE_LISTS.items())
def test_ranks_of_aurora_are_bound_by_socket_without_the_reserved_cores(ranks, lists):
    assert f" --cpu-bind=list:{lists} " in script("aurora", ranks_per_node=ranks)


@pytest.mark.parametrize("ranks", [*range(2, 103, 3), 102])
def test_no_rank_of_aurora_has_cores_of_two_sockets_or_another_ones(ranks):
    text = script("aurora", ranks_per_node=ranks)
    lists = re.search(r"--cpu-bind=list:(\S+)", text)[1].split(":")
    cores = [
        [
            core
            for span in each.split(",")
            for core in range(int(span.split("-")[0]), int(span.split("-")[-1]) + 1)
        ]
        for each in lists
    ]
    every = [core for each in cores for core in each]
    assert len(cores) == ranks
    assert len(set(every)) == len(every)
    assert not {0, 52} & set(every)
    assert all(each[0] // 52 == each[-1] // 52 for each in cores)
    assert {len(each) for each in cores} == {int(re.search(r"--num-cpus-per-task (\d+)", text)[1])}
