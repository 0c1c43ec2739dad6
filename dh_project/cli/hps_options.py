"""The options of ``deephyper hps``. ``hps_settings`` converts them to search settings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dh_project.cli.parser import Parser, duration, failures, finite, natural, positive_float, positive_int

REFUSED = {
    "--cache-key": "results are not reused by point; each trial runs once",
    "--backend": "there are no Keras backends any more",
    "--driver-num-cpus": "no cores are reserved for the driver",
    "--ray-num-cpus": "give the number of trials at a time by --num-workers, and their cores by --num-cpus-per-task",
    "--ray-num-gpus": "give the number of trials at a time by --num-workers, and their GPUs by --num-gpus-per-task",
    "--driver-num-gpus": "the driver uses no GPU",
    "--num-threads-per-node": "give the cores of a trial on a Balsam site by --num-threads-per-rank",
}
"""Options of old DeepHyper that no longer exist, and why (``docs/options.rst`` lists all of them)."""


SEARCHER_OPTIONS = (
    "surrogate_model",
    "acq_func",
    "kappa",
    "xi",
    "n_initial_points",
    "n_jobs",
    "liar_strategy",
)
"""Options of only ``ambs``."""


BALSAM_OPTIONS = ("workflow", "num_ranks_per_node", "num_threads_per_rank", "num_evals_ahead")
"""Options of only the evaluator ``balsam``."""


def option_of(name: str) -> str:
    """Return the option of a name in the parsed arguments.

    >>> option_of("max_evals")
    '--max-evals'
    """
    return "--" + name.replace("_", "-")


class Refuse(argparse.Action):
    """Action of an old option: reports that it no longer exists."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Report why the option no longer exists."""
        parser.error(f"{option} is no longer an option: {REFUSED[str(option)]}")


def add_options(parser: Parser) -> None:
    """Add the options of every search."""
    _add_what(parser)
    add_places(parser)
    limits = limits_of(parser)
    limits.add_argument("--max-evals", type=int, metavar="N", help="number of points, -1 for no limit (-1)")
    limits.add_argument(
        "--replicates",
        type=positive_int,
        metavar="N",
        help="trials of each point, with different seeds, whose mean counts (1)",
    )
    limits.add_argument(
        "--stop",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="end a trial: step=30 (also training_iteration=30), objective=-0.1, or a recorded fact: val_mae=0.1",
    )
    limits.add_argument(
        "--target", type=finite, metavar="X", help="objective at which the search ends (none)"
    )
    limits.add_argument(
        "--max-epochs-total",
        type=positive_int,
        metavar="N",
        help="steps that all trials together report, over all sessions",
    )
    limits.add_argument(
        "--patience-epochs",
        type=positive_int,
        metavar="N",
        help="steps that all trials together report without a better objective",
    )
    limits.add_argument(
        "--stopper",
        nargs="+",
        action="append",
        metavar="S",
        help="stop or park trials: asha, pbt, median, percentile, truncation, patience, bandit slack_factor=0.2, "
        "none, with KEY=VALUE settings (asha for ambs if the run function resumes)",
    )
    add_limits(limits)
    for option in REFUSED:
        parser.add_argument(option, action=Refuse, nargs="?", help=argparse.SUPPRESS)


def _add_what(parser: Parser) -> None:
    """Add the options that say what to search."""
    what = parser.add_argument_group("what to search", argument_default=argparse.SUPPRESS)
    what.add_argument(
        "--settings", type=Path, metavar="FILE", help="search settings in TOML; other options change them"
    )
    what.add_argument(
        "--problem",
        metavar="P",
        help="package.module.Problem, a path to problem.py, or the bare name of an installed problem",
    )
    what.add_argument(
        "--run",
        "--run-function",
        metavar="R",
        help="package.module.run (a function, a class or a LightningModule), a path to model_run.py, or a bare name",
    )
    what.add_argument(
        "--run-kwargs",
        nargs="+",
        metavar="KEY=VALUE",
        help="constant arguments of run: epochs=2 data=…",
    )
    what.add_argument(
        "--seed",
        "--random-state",
        type=natural,
        metavar="N",
        help="seed of the proposals (42, or the earlier session's)",
    )
    what.add_argument("--log-dir", type=Path, metavar="DIR", help="folder of the results (.)")
    what.add_argument(
        "--fresh", action="store_true", help="begin a new search; an earlier one is moved aside, not deleted"
    )
    what.add_argument(
        "--warm-start",
        nargs="+",
        action="extend",
        type=Path,
        metavar="FILE",
        help="results.csv of other searches to learn from, also of old DeepHyper",
    )
    what.add_argument(
        "--experiment",
        metavar="NAME",
        help="label of the search, in its journal and in each row of the results",
    )
    what.add_argument(
        "--tag",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="further labels of the search; each becomes a column m:tag_KEY",
    )


def add_places(parser: Parser) -> None:
    """Add the options that say on which machines trials run."""
    where = parser.add_argument_group("where trials run", argument_default=argparse.SUPPRESS)
    where.add_argument("--evaluator", metavar="E", help="process, ray, mpi or balsam (ray)")
    where.add_argument(
        "--num-workers", type=positive_int, metavar="N", help="trials at a time (all GPUs, or all cores)"
    )
    where.add_argument(
        "--num-cpus-per-task",
        "--ray-num-cpus-per-task",
        type=positive_int,
        metavar="N",
        help="cores of a trial (1)",
    )
    where.add_argument(
        "--num-gpus-per-task",
        "--ray-num-gpus-per-task",
        type=float,
        metavar="N",
        help="GPUs of a trial, 0.25 for a quarter (1 if there are GPUs)",
    )
    where.add_argument(
        "--ray-address",
        "--redis-address",
        metavar="A",
        help="address of a Ray cluster, auto for the cluster of this job (a new cluster)",
    )
    where.add_argument("--ray-password", metavar="P", help="password of the Ray cluster")
    where.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder on each node's own disk (/tmp) for copies of data and files of running trials (none)",
    )
    where.add_argument(
        "--ranks-per-trial",
        type=positive_int,
        metavar="N",
        help="processes of a trial, each with the cores and GPUs of a task (1)",
    )
    where.add_argument(
        "--nodes-per-trial",
        "--num-nodes-per-eval",
        dest="num_nodes_per_eval",
        type=positive_int,
        metavar="N",
        help="nodes of a trial (1)",
    )
    where.add_argument(
        "--num-evals-per-node",
        type=positive_int,
        metavar="N",
        help="trials on a node, only with --evaluator balsam (all GPUs, or all cores)",
    )
    where.add_argument(
        "--rank-timeout",
        type=positive_float,
        metavar="S",
        help="seconds without a message after which an MPI rank is considered lost (60)",
    )

    jobs = parser.add_argument_group(
        "trials as jobs (--evaluator balsam)", argument_default=argparse.SUPPRESS
    )
    jobs.add_argument(
        "--workflow",
        metavar="W",
        help="workflow whose batch jobs run the trials (name of the results' folder)",
    )
    jobs.add_argument(
        "--num-ranks-per-node", type=positive_int, metavar="N", help="processes of a trial on a node (1)"
    )
    jobs.add_argument(
        "--num-threads-per-rank", type=positive_int, metavar="N", help="cores of each process (an even share)"
    )
    jobs.add_argument(
        "--num-evals-ahead",
        type=natural,
        metavar="N",
        help="trials that wait in the queue if all slots are busy (one for every 16 slots)",
    )


def limits_of(parser: Parser) -> argparse._ArgumentGroup:
    """Return a new group for the limits of a search."""
    return parser.add_argument_group("when to end", argument_default=argparse.SUPPRESS)


def add_limits(limits: argparse._ArgumentGroup) -> None:
    """Add the limits of time, memory and failures to their group."""
    limits.add_argument(
        "--timeout", type=positive_float, metavar="S", help="seconds of search, over all sessions"
    )
    limits.add_argument(
        "--walltime",
        type=duration,
        metavar="T",
        help="time limit of the job since the start of this command: 3:00:00, or seconds",
    )
    limits.add_argument(
        "--margin",
        type=positive_float,
        metavar="S",
        help="seconds before the end of the job at which trials are interrupted (60)",
    )
    limits.add_argument(
        "--trial-timeout", type=positive_float, metavar="S", help="seconds after which a trial is killed"
    )
    limits.add_argument(
        "--eval-timeout-minutes", type=positive_float, metavar="MIN", help="the same in minutes"
    )
    limits.add_argument(
        "--trial-memory", type=positive_float, metavar="GIB", help="GiB above which a trial is killed"
    )
    limits.add_argument(
        "--max-failures",
        type=failures,
        metavar="N",
        help="failed trials in a row, or share of failed trials (0.5), that end the search; -1 for no limit (100)",
    )
    limits.add_argument(
        "--max-retries",
        type=natural,
        metavar="N",
        help="how often a trial is started again if its worker is lost (1)",
    )


def add_ambs_options(parser: Parser) -> None:
    """Add the options of ``ambs``."""
    model = parser.add_argument_group("the model", argument_default=argparse.SUPPRESS)
    model.add_argument(
        "--surrogate-model",
        metavar="M",
        help="GP, ET, RF, DUMMY or auto, which is GP, or ET in large spaces (auto)",
    )
    model.add_argument("--acq-func", metavar="F", help="auto, EI, UCB, PI, gp_hedge, UCBd, … (auto)")
    model.add_argument("--kappa", "--acq-kappa", type=float, metavar="K", help="exploration in UCB (1.96)")
    model.add_argument("--xi", "--acq-xi", type=float, metavar="X", help="exploration in EI and PI (0.01)")
    model.add_argument(
        "--n-initial-points",
        type=positive_int,
        metavar="N",
        help="trials before the first model (4)",
    )
    model.add_argument("--n-jobs", type=positive_int, metavar="N", help="cores for the model (1)")
    model.add_argument("--liar-strategy", metavar="L", help="accepted for old scripts, but not used")
