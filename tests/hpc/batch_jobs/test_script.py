import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.batch_jobs.script import Program, affinity, directives, render, walltime
from dh_project.hpc.sites.facts import Environment, Node, Scratch
from dh_project.hpc.sites.names import PACKAGE
from dh_project.hpc.sites.share import Share
from dh_project.hpc.sites.site import load_site
from dh_project.trial.shape import TrialShape

SITES = {file.stem: load_site(str(file)) for file in PACKAGE.glob("*.toml")}
SEARCH = ("hps", "ambs", "--problem", "p.py", "--run", "r.py")

PREFIXES = ("#PBS", "#SBATCH", "#COBALT")

DIRECTIVES = {
    "polaris": [
        "#PBS -A X",
        "#PBS -N dh_project",
        "#PBS -l select=12:system=polaris",
        "#PBS -l place=scatter",
        "#PBS -l walltime=01:30:00",
        "#PBS -l filesystems=home:eagle",
        "#PBS -q prod",
        "#PBS -j oe",
        "#PBS -k doe",
        "#PBS -r y",
    ],
    "aurora": [
        "#PBS -A X",
        "#PBS -N dh_project",
        "#PBS -l select=12",
        "#PBS -l place=scatter",
        "#PBS -l walltime=01:30:00",
        "#PBS -l filesystems=home:flare",
        "#PBS -q prod",
        "#PBS -j oe",
        "#PBS -k doe",
        "#PBS -r y",
    ],
    "frontier": [
        "#SBATCH -A X",
        "#SBATCH -J dh_project",
        "#SBATCH -o %x-%j.out",
        "#SBATCH -t 01:30:00",
        "#SBATCH -p batch",
        "#SBATCH -N 12",
        "#SBATCH -C nvme",
    ],
    "perlmutter": [
        "#SBATCH -A X",
        "#SBATCH -J dh_project",
        "#SBATCH -o %x-%j.out",
        "#SBATCH -C gpu",
        "#SBATCH -q regular",
        "#SBATCH --nodes=12",
        "#SBATCH --gpus-per-node=4",
        "#SBATCH --time=01:30:00",
    ],
    "theta": [
        "#COBALT -A X",
        "#COBALT -n 12",
        "#COBALT -t 01:30:00",
        "#COBALT -q default",
        "#COBALT --attrs mcdram=cache:numa=quad",
        "#COBALT --attrs filesystems=home,theta-fs0",
        "#COBALT --jobname dh_project",
    ],
    "pbs": [
        "#PBS -A X",
        "#PBS -N dh_project",
        "#PBS -l select=12",
        "#PBS -l place=scatter:excl",
        "#PBS -l walltime=01:30:00",
        "#PBS -j oe",
        "#PBS -r y",
    ],
    "slurm": [
        "#SBATCH -A X",
        "#SBATCH -J dh_project",
        "#SBATCH -o %x-%j.out",
        "#SBATCH -N 12",
        "#SBATCH -t 01:30:00",
        "#SBATCH --exclusive",
    ],
}


def script(site, evaluator="mpi", request=None, words=SEARCH, **program):
    return render(SITES[site], request or Request(12, 90, None, "X"), Program(words, evaluator, **program))


def block(text):
    """Return the directives, which follow the first line."""
    lines = text.splitlines()[1:]
    end = next(number for number, line in enumerate(lines) if not line.startswith(PREFIXES))
    assert not any(line.startswith(PREFIXES) for line in lines[end:])
    return lines[:end]


@pytest.mark.parametrize("site", SITES)
def test_the_directives_are_the_sites_and_stand_together_at_the_top(site):
    assert block(script(site)) == DIRECTIVES[site]


def test_a_line_of_which_a_part_is_not_given_is_left_out():
    lines = directives(SITES["slurm"], Request(1, 10))
    assert not any("-A" in line or "-p" in line for line in lines)


def test_a_queue_may_have_directives_of_its_own():
    lines = directives(SITES["frontier"], Request(1, 10, "debug", "X"))
    assert lines.count("#SBATCH -p batch") == lines.count("#SBATCH -q debug") == 1


def test_file_systems_of_the_request_win():
    assert "#PBS -l filesystems=eagle" in directives(
        SITES["polaris"], Request(1, 10, None, "X", filesystems="eagle")
    )


MINUTES = {
    1: ("00:01:00", "00:01:00"),
    59: ("00:59:00", "00:59:00"),
    60: ("01:00:00", "01:00:00"),
    90: ("01:30:00", "01:30:00"),
    150: ("02:30:00", "02:30:00"),
    1440: ("24:00:00", "1-00:00:00"),
    4320: ("72:00:00", "3-00:00:00"),
    10081: ("168:01:00", "7-00:01:00"),
}


@pytest.mark.parametrize(("minutes", "times"), MINUTES.items())
def test_a_walltime_is_written_as_the_scheduler_reads_it(minutes, times):
    assert (walltime("pbs", minutes), walltime("slurm", minutes)) == times
    assert f"#PBS -l walltime={times[0]}" in script("polaris", request=Request(12, minutes, None, "X"))
    assert f"#SBATCH --time={times[1]}" in script("perlmutter", request=Request(12, minutes, None, "X"))


LAUNCHES = {
    "polaris": 'mpiexec -n "$ranks" --ppn "$ranks_per_node" --depth=8 --cpu-bind depth',
    "aurora": 'mpiexec -n "$ranks" --ppn "$ranks_per_node" --cpu-bind=list:1-8:9-16:17-24:25-32:33-40:41-48:53-60:'
    "61-68:69-76:77-84:85-92:93-100",
    "frontier": 'srun -N "$nodes" -n "$ranks" --kill-on-bad-exit=1 --ntasks-per-node="$ranks_per_node" -c 7 '
    "--gpus-per-task=1 --gpu-bind=closest",
    "perlmutter": 'srun --nodes="$nodes" --ntasks="$ranks" --ntasks-per-node="$ranks_per_node" --kill-on-bad-exit=1 '
    "--cpus-per-task=32 --cpu-bind=cores --gpus-per-node=4 --gpu-bind=none",
    "theta": 'aprun -n "$ranks" -N "$ranks_per_node" -d 1 -j 1 -cc depth',
    "pbs": 'mpiexec -n "$ranks" --ppn "$ranks_per_node"',
    "slurm": 'srun -N "$nodes" -n "$ranks" --ntasks-per-node="$ranks_per_node" --kill-on-bad-exit=1 -c "$cores"',
}


@pytest.mark.parametrize("site", SITES)
def test_ranks_are_started_and_bound_as_the_site_says(site):
    assert f"\n    {LAUNCHES[site]} \\\n" in script(site)


def test_ranks_on_a_node_change_the_binding(tmp_path):
    (tmp_path / "own.toml").write_text(
        'base = "polaris"\n[launch.bindings]\n2 = "--cpu-bind=list:0-7:8-15"\n'
    )
    own = load_site(str(tmp_path / "own.toml"))
    for ranks, binding in {2: "--cpu-bind=list:0-7:8-15", 3: "--depth=10 --cpu-bind depth"}.items():
        text = render(own, Request(10, 60, None, "X"), Program(SEARCH, "mpi", ranks_per_node=ranks))
        assert f'--ppn "$ranks_per_node" {binding} \\\n' in text


@pytest.mark.parametrize("ranks", [1, 8, 16])
def test_slurm_is_not_told_ranks_of_a_node_and_ranks_of_a_gpu(ranks):
    text = script("frontier", ranks_per_node=ranks)
    assert f"ranks_per_node={ranks}\n" in text
    assert ("--ntasks-per-node=" in text, "--ntasks-per-gpu=2" in text) == (ranks < 16, ranks == 16)


def test_cores_of_a_trial_make_the_ranks_of_a_node_without_gpus():
    text = script("theta", shape=TrialShape(cores=16))
    assert "ranks_per_node=4\n" in text
    assert "-d 16 " in text
    assert "--num-cpus-per-task 16 " in text


def test_a_node_holds_no_more_ranks_than_its_cores_allow_though_a_gpu_is_left():
    assert "ranks_per_node=3\n" in script("polaris", shape=TrialShape(cores=9))


def test_more_cores_than_a_node_has_are_refused():
    with pytest.raises(UserError, match="a node of polaris has 32 cores for jobs, and 33 are asked for"):
        script("polaris", shape=TrialShape(cores=33))


def test_a_search_has_its_evaluator_its_workers_and_the_time_that_is_left():
    text = script("polaris", margin=77)
    assert "deephyper hps ambs --evaluator mpi \\\n" in text
    assert '--num-workers "$ranks" --num-cpus-per-task 8 ' in text
    assert '--walltime "$(( ends - $(date +%s) ))" --margin 77 --scratch "/local/scratch"' in text
    assert text.count("--problem p.py --run r.py") == 1


def test_scratch_is_used_if_the_site_has_some_and_it_is_wanted():
    assert "--scratch" not in script("aurora")
    assert "--scratch" not in script("polaris", scratch=False)


@pytest.mark.parametrize(
    "option",
    [
        "--walltime",
        "--margin=5",
        "--evaluator",
        "--ray-address",
        "--num-cpus-per-task",
        "--num-gpus-per-task=1",
    ],
)
def test_what_the_script_gives_itself_may_not_be_given(option):
    with pytest.raises(UserError, match=f"{option.partition('=')[0]}: the job's script sets this option"):
        script("polaris", words=[*SEARCH, option])


def test_a_site_of_which_ray_knows_nothing_is_refused():
    with pytest.raises(UserError, match="theta: its file does not say how Ray starts there"):
        script("theta", "ray")


def test_words_reach_the_program_as_they_are():
    words = [*SEARCH, "--run-kwargs", "data=a b", "x=$HOME", "y='q'"]
    text = script("pbs", words=words)
    assert shlex.join(words[2:]) in text


def test_a_site_of_ones_own_is_named_by_its_file_in_the_job(tmp_path):
    (tmp_path / "mine.toml").write_text('base = "pbs"\n')
    text = render(load_site(str(tmp_path / "mine.toml")), Request(1, 10), Program(SEARCH, "mpi"))
    assert f"export DH_PROJECT_SITE={tmp_path}/mine.toml" in text


def test_a_ray_cluster_asks_for_what_it_needs_of_slurm():
    assert "#SBATCH --no-kill" in block(script("frontier", "ray"))
    assert "#SBATCH --no-kill" not in block(script("frontier", "mpi"))


def test_ray_uses_the_fast_network_and_a_short_private_folder():
    text = script("polaris", "ray")
    assert 'own=$(getent ahostsv4 "$(hostname -s).hsn.cm.polaris.alcf.anl.gov"' in text
    assert "show dev hsn0" in script("frontier", "ray")
    assert "folder=$(mktemp -d /tmp/ray-XXXXXXXX)" in text  # nobody can guess it, or make it first
    assert "(--disable-usage-stats --num-cpus=32 --num-gpus=4)" in text


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, "2,3 unset"),
        ({"ROCR_VISIBLE_DEVICES": ""}, " unset"),
        ({}, "unset unset"),
        ({"HIP_VISIBLE_DEVICES": "1", "ROCR_VISIBLE_DEVICES": "2,3"}, "1 2,3"),
    ],
)
def test_ray_finds_amds_gpus_by_the_name_that_it_knows_on_each_node(given, seen):
    lines = [line for line in script("frontier", "ray").splitlines() if "ROCR_VISIBLE_DEVICES" in line]
    assert len(lines) == 2
    for line in lines:
        show = f'set -u; {line}; echo "${{HIP_VISIBLE_DEVICES-unset}} ${{ROCR_VISIBLE_DEVICES-unset}}"'
        told = {"PATH": os.environ["PATH"], **given}
        said = subprocess.run(["bash", "-c", show], env=told, capture_output=True, text=True, check=True)
        assert said.stdout == f"{seen}\n"
    assert "ROCR_VISIBLE_DEVICES" not in script("polaris", "ray")


def test_ray_chooses_a_free_port_only_if_nodes_are_shared(tmp_path):
    (tmp_path / "shared.toml").write_text('base = "slurm"\n[node]\nshared = true\n')
    shared = render(load_site(str(tmp_path / "shared.toml")), Request(1, 10), Program(SEARCH, "ray"))
    assert "port=6379\n" in script("slurm", "ray")
    assert "port=6379\n" not in shared


def test_proxies_are_there_to_be_used_and_are_not():
    lines = [line for line in script("polaris").splitlines() if "proxy" in line]
    assert lines
    assert all(line.startswith("# ") for line in lines)


KINDS = [(site, kind) for site in SITES for kind in ("mpi", "ray", None) if (site, kind) != ("theta", "ray")]


@pytest.mark.parametrize(("site", "kind"), KINDS)
def test_bash_and_shellcheck_take_every_script(site, kind, tmp_path):
    file = tmp_path / "job.sh"
    file.write_text(script(site, kind, words=SEARCH if kind else ["python", "-m", "x"]))
    subprocess.run(["bash", "-n", file], check=True)
    shellcheck = Path(sys.executable).parent / "shellcheck"
    checked = subprocess.run([shellcheck, file], capture_output=True, text=True)
    assert checked.stdout == ""
    assert checked.returncode == 0


@pytest.mark.parametrize("local_rank", range(8))
def test_a_rank_sees_the_gpu_of_its_place(local_rank):
    line = affinity(SITES["polaris"], Share.of(SITES["polaris"], Program(SEARCH, "mpi")))
    environment = {"PATH": os.environ["PATH"], "PMI_LOCAL_RANK": str(local_rank)}
    seen = subprocess.run(
        ["bash", "-c", line, "affinity", "printenv", "CUDA_VISIBLE_DEVICES"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(seen.stdout) == 3 - local_rank % 4


def test_a_rank_that_is_not_told_its_place_says_so():
    line = affinity(SITES["aurora"], Share.of(SITES["aurora"], Program(SEARCH, "mpi")))
    ended = subprocess.run(
        ["bash", "-c", line, "affinity", "true"], env={"PATH": os.environ["PATH"]}, capture_output=True
    )
    assert ended.returncode != 0
    assert b"no variable holds the local rank" in ended.stderr


# The following tests run scripts here. The launcher and the program are fakes, because there is no such site. The
# launcher starts the ranks of one node one after the other and sets their local rank; the program prints its input.

LAUNCHER = """\
#!/bin/bash
echo "launcher $*" >> "$LOG"
ranks=1
while true; do
    case $1 in
        -n) ranks=$2; shift 2 ;;
        --ppn | --cpu-bind | --hosts) shift 2 ;;
        --depth=*) shift ;;
        *) break ;;
    esac
done
[ "$ranks" -gt 1 ] || PMI_LOCAL_RANK=0 exec "$@"  # which hears of signals, as from a real one
for (( rank = 0; rank < ranks; rank++ )); do
    PMI_LOCAL_RANK=$(( rank % 4 )) "$@" || status=$?
done
exit "${status:-0}"
"""

PROGRAM = """\
#!/bin/bash
echo "program gpu=$CUDA_VISIBLE_DEVICES site=$DH_PROJECT_SITE threads=$OMP_NUM_THREADS $*" >> "$LOG"
exit "${ENDS_WITH:-0}"
"""


def run_here(folder, text, nodes=2, **environment):
    """Run a PBS script in a folder; return its exit status and the output of the fakes."""
    programs = folder / "bin"
    programs.mkdir()
    fakes = {"mpiexec": LAUNCHER, "deephyper": PROGRAM, "module": "#!/bin/bash\n", "conda": "#!/bin/bash\n"}
    for name, content in fakes.items():
        (programs / name).write_text(content)
        (programs / name).chmod(stat.S_IRWXU)
    (folder / "job.sh").write_text(text)
    (folder / "nodes").write_text("".join(f"node{number}\n" * 2 for number in range(nodes)))
    told = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LOG": str(folder / "log"),
        "PBS_NODEFILE": str(folder / "nodes"),
        "PBS_O_WORKDIR": str(folder),
        "PBS_JOBID": f"{os.getpid()}.here",
        "PYTHONPATH": str(PACKAGE.parents[1]),
        **environment,
    }
    ended = subprocess.run(["bash", folder / "job.sh"], env=told, capture_output=True, text=True, timeout=120)
    log = (folder / "log").read_text() if (folder / "log").exists() else ""
    return ended, log.splitlines()


# a login shell would read this machine's profile
POLARIS = SITES["polaris"].model_copy(
    update={"environment": SITES["polaris"].environment.model_copy(update={"login_shell": False})}
)


def test_each_rank_of_a_job_runs_the_search_on_its_own_gpu(tmp_path):
    text = render(POLARIS, Request(2, 90, "debug", "X"), Program(SEARCH, "mpi"))
    ended, log = run_here(tmp_path, text)
    assert ended.returncode == 0
    programs = [line for line in log if line.startswith("program")]
    assert [re.search(r"gpu=(\d)", line)[1] for line in programs] == list("32103210")
    assert all(
        " site=polaris threads=8 hps ambs --evaluator mpi --num-workers 8 " in line for line in programs
    )
    left = {int(re.search(r"--walltime (\d+)", line)[1]) for line in programs}
    assert len(left) == 1
    assert 5400 - 60 <= left.pop() <= 5400


def test_a_search_that_fails_fails_its_job_with_the_same_status(tmp_path):
    text = render(POLARIS, Request(2, 90, "debug", "X"), Program(SEARCH, "mpi"))
    ended, log = run_here(tmp_path, text, ENDS_WITH="1")
    assert ended.returncode == 1
    assert "ended with status 1" in ended.stdout
    assert len([line for line in log if line.startswith("launcher")]) == 1


@pytest.mark.parametrize(("minutes", "starts"), [(60, 3), (5, 1)])
def test_a_search_whose_ranks_were_killed_goes_on_in_the_job_while_there_is_time(tmp_path, minutes, starts):
    text = render(POLARIS, Request(2, minutes, "debug", "X"), Program(SEARCH, "mpi"))
    ended, log = run_here(tmp_path, text, ENDS_WITH="137")
    assert ended.returncode == 137
    assert len([line for line in log if line.startswith("launcher")]) == starts


def test_one_command_runs_once(tmp_path):
    text = render(POLARIS, Request(1, 30, "debug", "X"), Program(["deephyper", "train"]))
    _, log = run_here(tmp_path, text, nodes=1)
    assert [line for line in log if line.startswith("program")] == [
        "program gpu=3 site=polaris threads=8 train"
    ]


def test_a_job_without_its_environment_says_so(tmp_path):
    text = render(POLARIS, Request(1, 30, "debug", "X"), Program(["nothing-of-this-name"]))
    ended, log = run_here(tmp_path, text, nodes=1)
    assert ended.returncode == 127
    assert "nothing-of-this-name is not found: activate its environment above" in ended.stderr
    assert log == []


def test_lines_of_activation_come_before_the_program_which_runs_in_the_directory(tmp_path):
    place = tmp_path / "a folder"
    place.mkdir()
    program = Program(["deephyper"], directory=str(place), activate=["echo here: $PWD", "export ENDS_WITH=5"])
    ended, _ = run_here(tmp_path, render(POLARIS, Request(1, 30, "debug", "X"), program), nodes=1)
    assert f"here: {place}" in ended.stdout
    assert ended.returncode == 5


def test_a_folder_and_a_variable_of_a_site_file_reach_the_program_with_their_variables_filled_in(tmp_path):
    odd = SITES["pbs"].model_copy(
        update={
            "scratch": Scratch(folder='/a "b" `c` \\/$PLACE'),
            "environment": Environment(variables={"DH_PROJECT_SITE_TEXT": 'say "$PLACE"'}),
        }
    )
    program = Program(SEARCH, "mpi", activate=["PLACE=here"], last=['echo "$DH_PROJECT_SITE_TEXT"'])
    ended, log = run_here(tmp_path, render(odd, Request(1, 30), program), nodes=1)
    assert '--scratch /a "b" `c` \\/here --problem' in log[-1]
    assert 'say "here"' in ended.stdout


def test_a_site_whose_nodes_are_not_known_counts_their_cores_in_the_job(tmp_path):
    text = render(SITES["pbs"], Request(2, 30), Program(SEARCH, "mpi", shape=TrialShape()))
    _, log = run_here(tmp_path, text, OMP_NUM_THREADS="1")
    cores = len(os.sched_getaffinity(0))
    assert log[0].startswith(f"launcher -n {2 * cores} --ppn {cores} ")


CLUSTER = """\
#!/bin/bash
echo "program $*" >> "$LOG"
python - "$@" <<'END' >> "$LOG"
import sys, ray
ray.init(address=sys.argv[sys.argv.index("--ray-address") + 1])
print("nodes", sum(node["Alive"] for node in ray.nodes()))
END
exit 7
"""


@pytest.mark.ray
def test_a_job_starts_a_ray_cluster_on_its_nodes_and_ends_it(tmp_path):
    port = free_port()
    text = render(SITES["pbs"], Request(2, 30), Program(SEARCH, "ray", shape=TrialShape(), activate=[]))
    ended, log = run_here(tmp_path, counting(small(text, port), tmp_path))
    assert ended.returncode == 7, ended.stderr
    assert "nodes 2" in log
    assert not still_there(port)


@pytest.mark.ray
def test_a_job_on_shared_nodes_starts_its_cluster_at_ports_that_are_free(tmp_path):
    shared = SITES["pbs"].model_copy(update={"node": Node(shared=True)})
    text = render(shared, Request(1, 30), Program(SEARCH, "ray", shape=TrialShape(), patience=60))
    ended, log = run_here(tmp_path, counting(small(text, 0), tmp_path), nodes=1)
    assert ended.returncode == 7, ended.stderr
    assert "nodes 1" in log
    assert not still_there(int(re.search(r"--ray-address \S+:(\d+)", log[0])[1]))


@pytest.mark.ray
def test_a_job_whose_cluster_does_not_come_up_ends_in_time_and_says_how_many_are_there(tmp_path):
    port = free_port()
    text = render(SITES["pbs"], Request(3, 30), Program(SEARCH, "ray", patience=5))
    ended, log = run_here(tmp_path, small(text, port), nodes=3)
    assert ended.returncode == 1
    assert re.search("[012] of 3 nodes have joined after 5 s", ended.stderr)
    assert not any(line.startswith("program") for line in log)
    assert not still_there(port)


def counting(text, folder):
    """A script whose program counts the nodes of its cluster."""
    return text.replace("\nset -u\n", f"\ncat > {folder}/bin/deephyper <<'FAKE'\n{CLUSTER}FAKE\nset -u\n")


def small(text, port):
    """A script whose Ray uses few resources and a free port."""
    text = text.replace("port=6379", f"port={port}")
    return text.replace(
        "(--disable-usage-stats)", "(--disable-usage-stats --num-cpus=1 --num-gpus=0)"
    ).replace("mpiexec -n $(( nodes - 1 ))", "mpiexec -n 1")


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def still_there(port):
    """Return whether a process of the cluster is still alive some seconds later; they end by themselves."""
    import time

    import psutil

    for _ in range(60):
        words = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        if not any(f":{port}" in line or f"ray-{os.getpid()}" in line for line in words):
            return False
        time.sleep(0.5)
    return True
