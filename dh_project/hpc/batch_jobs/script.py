"""Renders the script of a batch job from the facts of a site, a request, and the program to run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.sites.facts import RayNetwork, Site
from dh_project.hpc.sites.names import PACKAGE
from dh_project.hpc.sites.share import Share, trials
from dh_project.hpc.sites.tables import placeholders
from dh_project.trial.shape import TrialShape

if TYPE_CHECKING:
    from jinja2 import Environment

PREFIX = {"pbs": "#PBS", "slurm": "#SBATCH", "cobalt": "#COBALT"}
"""The prefix of each scheduler's directives."""

OWN_OPTIONS = (
    *("--evaluator", "--num-workers", "--num-cpus-per-task", "--num-gpus-per-task"),
    *("--walltime", "--margin", "--ray-address", "--scratch"),
)
"""Options of a search that the script sets."""

RAY_PORT = 6379

NAMED_BY_HIP = (
    'if [ "${ROCR_VISIBLE_DEVICES+x}" ] && [ ! "${HIP_VISIBLE_DEVICES+x}" ]; then '
    "export HIP_VISIBLE_DEVICES=$ROCR_VISIBLE_DEVICES; unset ROCR_VISIBLE_DEVICES; fi"
)
"""Slurm sets ``ROCR_VISIBLE_DEVICES`` for AMD GPUs, but Ray reads only ``HIP_VISIBLE_DEVICES``. Both hold the numbers
that the devices have on their node.
"""

COUNTED = '"$cores"'
"""Cores of a trial, in Bash, if the job has to count the cores of its nodes."""


@dataclass(frozen=True)
class Program:
    """The program that a batch job runs.

    Attributes:
        words: For a search, the words after ``deephyper``, as ``["hps", "ambs", "--problem", …]``; otherwise a whole
            command, which runs once.
        evaluator: The evaluator of a search; None if the program is not a search.
        directory: The working directory; None for the folder of submission.
        activate: Lines that make the Python environment available, after the site's modules.
        margin: Seconds before the job's end at which the search interrupts its trials.
        shape: The resources of one trial.
        ranks_per_node: Processes that run on a node at a time, of all trials together. None means as many as its GPUs
            and cores hold.
        scratch: Whether trials use the node's own storage, if it has any.
        patience: Seconds to wait for the nodes of a Ray cluster.
        last: Lines that run after the program, with its exit status in the variable ``status``.
    """

    words: Sequence[str]
    evaluator: Literal["mpi", "ray"] | None = None
    directory: str | None = None
    activate: Sequence[str] = ()
    margin: int = 120
    shape: TrialShape = field(default_factory=lambda: TrialShape(cores=None))
    ranks_per_node: int | None = None
    scratch: bool = True
    patience: int = 300
    last: Sequence[str] = ()


def render(site: Site, request: Request, program: Program) -> str:
    """Return the script of a batch job, for Bash.

    Raises:
        UserError: The site cannot run such a program, or the words hold an option that the script sets.
    """
    _check(site, program)
    share = Share.of(site, program)
    command = _command(site, request, program, share)
    template = {"mpi": "search_mpi.sh.j2", "ray": "search_ray.sh.j2", None: "command.sh.j2"}[
        program.evaluator
    ]
    facts = {
        "site": site,
        "request": request,
        "program": program,
        "share": share,
        "affinity": affinity(site, share),
        "directives": directives(site, request, program),
        "name_in_job": name_in_job(site),
        "needed": "deephyper" if program.evaluator else shlex.quote(program.words[0]),
        "command": " \\\n    ".join(command),
        "cpus": _cpus(share),
        "counts_cores": any(COUNTED in line for line in (_cpus(share), *command)),
        "port": RAY_PORT,
    }
    if program.evaluator == "ray" and site.ray is not None:
        facts |= {"own_address": own_address(site.ray), "sizes": _sizes(site), "on_others": _on_others(site)}
        facts |= {"named_by_hip": NAMED_BY_HIP if site.gpu and site.gpu.may_be_amds else None}
    return templates().get_template(template).render(facts)


def render_balsam_site(site: Site, project: str, activate: Sequence[str] = ()) -> str:
    """Return a script that sets up a Balsam site, for a login node.

    Raises:
        UserError: Balsam has no settings for the site.
    """
    if site.balsam is None:
        raise UserError(
            f"Balsam has no settings for {site.name}: deephyper balsam-init makes a site of type local"
        )
    words = ["balsam-init", "balsam-site", "--site-type", site.balsam, "--project", project]
    facts = {"site": site, "program": Program(words, activate=activate), "name_in_job": name_in_job(site)}
    return (
        templates()
        .get_template("balsam_site.sh.j2")
        .render(facts, words=[shlex.quote(word) for word in words])
    )


def render_affinity(site: Site) -> str | None:
    """Return a script that shows a rank its own GPU and then runs the given program; None if none is needed."""
    line = affinity(site, Share.of(site, Program(["true"])))
    return line and templates().get_template("affinity.sh.j2").render(site=site, lines=line.split("; "))


def directives(site: Site, request: Request, program: Program | None = None) -> list[str]:
    """Return the directives for the scheduler, in the order of the site file.

    A line is left out if the request lacks one of its parts.
    """
    given = {
        "project": request.project,
        "name": request.name,
        "queue": request.queue_at(site),
        "nodes": str(request.nodes),
        "walltime": walltime(site.scheduler, request.minutes),
        "filesystems": request.filesystems_at(site),
    }
    queue = site.queues.get(request.queue_at(site) or "")
    lines: list[str] = []
    for line in site.directives.lines:
        is_queue = "queue" in placeholders(line)
        lines += queue.directives if queue is not None and queue.directives and is_queue else [line]
    if site.ray is not None and program is not None and program.evaluator == "ray":
        lines += site.ray.directives
    whole = [line for line in lines if all(given[name] for name in placeholders(line))]
    filled = [*(line.format(**given) for line in whole), *request.directives]
    return [f"{PREFIX[site.scheduler]} {line}" for line in filled]


def walltime(scheduler: str, minutes: int) -> str:
    """Return minutes in a scheduler's format: ``HH:MM:SS``, and ``D-HH:MM:SS`` from one day on in Slurm."""
    days, rest = divmod(minutes, 24 * 60) if scheduler == "slurm" else (0, minutes)
    time = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{time}" if days else time


def affinity(site: Site, share: Share) -> str | None:
    """Return a line of Bash that shows a rank its own GPUs and then runs its arguments; None if none is needed."""
    if site.gpu is None or site.gpu.variable == "launcher" or not share.gpus:
        return None
    first, *others = reversed(site.launch.local_rank)
    rank = f"${{{first}:?no variable holds the local rank}}"
    for name in others:
        rank = f"${{{name}:-{rank}}}"
    shown = f"{site.gpu.variable}=${{gpus[rank % {len(share.gpus)}]}}"
    return f'gpus=({" ".join(share.gpus)}); rank={rank}; export {shown}; exec "$@"'


def name_in_job(site: Site) -> str:
    """Return a name by which ``load_site`` finds a site from any folder: its name, or the path of a user's file."""
    return site.name if site.file.parent == PACKAGE else str(site.file)


def own_address(network: RayNetwork) -> str:
    """Return a line of Bash, without single quotes, that sets ``own`` to the node's address on the fast network."""
    if network.host_suffix:
        found = f'getent ahostsv4 "$(hostname -s){network.host_suffix}"'
        return f'own=$({found} | head -n 1 | cut -d" " -f1)'
    if network.interface:
        found = f"ip -4 -o address show dev {network.interface}"
        return f'own=$({found} | head -n 1 | tr -s " " | cut -d" " -f4 | cut -d/ -f1)'
    named = 'own=$(getent ahostsv4 "$(hostname)" | head -n 1 | cut -d" " -f1)'
    return f'{named}; case $own in "" | 127.*) own=$(hostname -I | cut -d" " -f1) ;; esac; own=${{own:-127.0.0.1}}'


def _check(site: Site, program: Program) -> None:
    """Check that the site can run the program."""
    if not program.words:
        raise UserError("there is nothing to run: give the words of a command")
    if program.evaluator is None:
        return
    given = {word.partition("=")[0] for word in program.words}
    for option in OWN_OPTIONS:
        if option in given:
            raise UserError(f"{option}: the job's script sets this option; leave it out")
    if program.evaluator == "ray" and (site.ray is None or site.launch.others is None):
        raise UserError(f"{site.name}: its file does not say how Ray starts there; use the evaluator mpi")


def _cpus(share: Share) -> str:
    """Return the cores of a trial, for Bash."""
    return str(share.cpus_per_task or COUNTED)


def _command(site: Site, request: Request, program: Program, share: Share) -> list[str]:
    """Return the lines of the command that the nodes run."""
    words = [shlex.quote(word) for word in program.words]
    launch = [] if program.evaluator == "ray" else [_launch(site, program, share)]
    if launch and affinity(site, share):
        launch.append('bash -c "$affinity" affinity')
    if program.evaluator is None:
        return [*launch, " ".join(words)]
    place = ' --ray-address "$address"' if program.evaluator == "ray" else ""
    at_a_time = trials(site, program, share, request.nodes)
    told = share.gpus_per_task
    gpus = "" if told is None else f" --num-gpus-per-task {str(told).removesuffix('.0')}"
    scratch = (
        f" --scratch {in_double_quotes(site.scratch.folder)}" if program.scratch and site.scratch else ""
    )
    return [
        *launch,
        f"deephyper {' '.join(words[:2])} --evaluator {program.evaluator}{place}",
        f"--num-workers {at_a_time} --num-cpus-per-task {_cpus(share)}{gpus}",
        f'--walltime "$(( ends - $(date +%s) ))" --margin {program.margin}{scratch}',
        *([" ".join(words[2:])] if words[2:] else []),
    ]


def _launch(site: Site, program: Program, share: Share) -> str:
    """Return the line that starts ranks: those of all nodes for a search, otherwise one."""
    binding = site.launch.bindings.get(str(share.ranks), site.launch.binding)
    one = program.evaluator is None
    parts = {
        "ranks": "1" if one else '"$ranks"',
        "ranks_per_node": "1" if one else '"$ranks_per_node"',
        "nodes": "1" if one else '"$nodes"',
        "cores": str(share.cores or COUNTED),
        "threads": str(share.threads or COUNTED),
        **({"core_lists": share.core_lists} if share.core_lists else {}),
    }
    return _filled(site.launch.ranks, parts | {"binding": _filled(binding, parts)})


def _on_others(site: Site) -> str:
    """Return the line that starts a process on each node except this one."""
    parts = {
        "others": "$(( nodes - 1 ))",
        "nodes": '"$nodes"',
        "hosts": '"$hosts"',
        "this_host": '"$this_host"',
    }
    return _filled(site.launch.others or "", parts)


def _sizes(site: Site) -> str:
    """Return Ray's options for the cores and GPUs of a node, if the site file states them; else Ray counts them."""
    cores = f" --num-cpus={site.node.usable_cores}" if site.node.usable_cores else ""
    return cores + (f" --num-gpus={site.gpu.count}" if site.gpu else "")


def in_double_quotes(text: str) -> str:
    """Return a text as one word of Bash in which only variables are expanded."""
    return '"' + re.sub(r'(["\\`])', r"\\\1", text) + '"'


def _filled(line: str, parts: dict[str, str]) -> str:
    """Return a line with its placeholders replaced."""
    missing = placeholders(line) - set(parts)
    if missing:
        raise UserError(f"the launch line {line!r} cannot hold {{{min(missing)}}} here")
    return re.sub(r" +", " ", Formatter().vformat(line, (), parts)).strip()


@cache
def templates() -> Environment:
    """Return the Jinja environment of this package's templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dh_project.hpc.batch_jobs"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "quote": shlex.quote,
        "in_double_quotes": in_double_quotes,
    }
    environment.filters.update(filters)
    return environment
