"""The options of ``deephyper hps``; ``hps_settings`` has what they mean to the search."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dh_project.cli.parser import Parser, duration, failures, natural, positive_float, positive_int

REFUSED = {
    "--cache-key": "results are never looked up by point: a trial runs once",
    "--backend": "Keras backends are not used any more",
    "--driver-num-cpus": "the driver needs no share of its own",
    "--ray-num-cpus": "how many trials run at a time is --num-workers, what each takes --num-cpus-per-task",
    "--ray-num-gpus": "how many trials run at a time is --num-workers, what each takes --num-gpus-per-task",
    "--driver-num-gpus": "the driver uses no GPU",
    "--num-threads-per-node": "cores of a trial on a Balsam site: --num-threads-per-rank",
}
"""Options of old DeepHyper that are not here, and why (docs/options.rst has all of them)."""


SEARCHER_OPTIONS = (
    "surrogate_model",
    "acq_func",
    "kappa",
    "xi",
    "n_initial_points",
    "n_jobs",
    "liar_strategy",
)
"""Options of ``ambs`` alone."""


BALSAM_OPTIONS = ("workflow", "num_ranks_per_node", "num_threads_per_rank", "num_evals_ahead")
"""Options of the evaluator ``balsam`` alone."""


def option_of(name: str) -> str:
    """Return an option by the name of its value in a namespace."""
    return "--" + name.replace("_", "-")


class Refuse(argparse.Action):
    """An old option that is told apart from an unknown one."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Say why the option is gone."""
        parser.error(f"{option} is no longer an option: {REFUSED[str(option)]}")


def add_options(parser: Parser) -> None:
    """Add the options of every search."""
    what = parser.add_argument_group("what to search", argument_default=argparse.SUPPRESS)
    what.add_argument(
        "--settings", type=Path, metavar="FILE", help="search settings in TOML, which other options change"
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
    what.add_argument("--log-dir", type=Path, metavar="DIR", help="where results go (.)")
    what.add_argument(
        "--fresh", action="store_true", help="begin anew; what is in the folder is put aside, not deleted"
    )
    what.add_argument(
        "--warm-start",
        nargs="+",
        action="extend",
        type=Path,
        metavar="FILE",
        help="results.csv of other searches to learn from, old ones too",
    )
    what.add_argument(
        "--experiment", metavar="NAME", help="what the search belongs to, in its journal and in each row"
    )
    what.add_argument(
        "--tag",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="what else is to be said of it, likewise: a column m:tag_KEY",
    )

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
        help="cores a trial (1)",
    )
    where.add_argument(
        "--num-gpus-per-task",
        "--ray-num-gpus-per-task",
        type=float,
        metavar="N",
        help="GPUs a trial, 0.25 for a quarter (1 where there are GPUs)",
    )
    where.add_argument(
        "--ray-address",
        "--redis-address",
        metavar="A",
        help="Ray cluster, auto for this job's (one of its own)",
    )
    where.add_argument("--ray-password", metavar="P", help="password of the Ray cluster")
    where.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="each node's own disk (/tmp): data is copied there, trials write there (none)",
    )
    where.add_argument(
        "--ranks-per-trial",
        type=positive_int,
        metavar="N",
        help="processes of a trial that train together, each with the cores and GPUs of a task (1)",
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
        help="trials on a node, with --evaluator balsam (all GPUs, or all cores)",
    )
    where.add_argument(
        "--rank-timeout",
        type=positive_float,
        metavar="S",
        help="seconds after which an MPI rank that says nothing is given up (60)",
    )

    jobs = parser.add_argument_group(
        "trials as jobs (--evaluator balsam)", argument_default=argparse.SUPPRESS
    )
    jobs.add_argument(
        "--workflow", metavar="W", help="whose batch jobs run them (name of the results' folder)"
    )
    jobs.add_argument(
        "--num-ranks-per-node", type=positive_int, metavar="N", help="processes of a trial on a node (1)"
    )
    jobs.add_argument(
        "--num-threads-per-rank", type=positive_int, metavar="N", help="cores of each (an even share)"
    )
    jobs.add_argument(
        "--num-evals-ahead",
        type=natural,
        metavar="N",
        help="trials that wait while all slots are busy (one for 16, where it cannot start too early)",
    )

    limits = parser.add_argument_group("when to end", argument_default=argparse.SUPPRESS)
    limits.add_argument("--max-evals", type=int, metavar="N", help="trials in all, -1 for no limit (-1)")
    limits.add_argument("--timeout", type=positive_float, metavar="S", help="seconds of search in all")
    limits.add_argument(
        "--walltime",
        type=duration,
        metavar="T",
        help="of the job, since this command began: 3:00:00, or seconds",
    )
    limits.add_argument(
        "--margin",
        type=positive_float,
        metavar="S",
        help="seconds before its end at which trials are interrupted (60)",
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
        help="failed trials in a row, or their share (0.5), that end the search; -1 for no limit (100)",
    )
    limits.add_argument(
        "--stopper",
        nargs="+",
        action="append",
        metavar="S",
        help="end trials early: median, or bandit slack_factor=0.2, with KEY=VALUE settings (none)",
    )
    limits.add_argument(
        "--max-retries",
        type=natural,
        metavar="N",
        help="new starts of a trial whose worker vanished (1)",
    )
    for option in REFUSED:
        parser.add_argument(option, action=Refuse, nargs="?", help=argparse.SUPPRESS)


def add_ambs_options(parser: Parser) -> None:
    """Add the options of ``ambs``."""
    model = parser.add_argument_group("the model", argument_default=argparse.SUPPRESS)
    model.add_argument(
        "--surrogate-model",
        metavar="M",
        help="GP, ET, RF, DUMMY or auto: GP, ET in wide spaces",
    )
    model.add_argument("--acq-func", metavar="F", help="UCBd, UCB, EI, PI, gp_hedge, … (UCBd)")
    model.add_argument("--kappa", "--acq-kappa", type=float, metavar="K", help="exploration in UCB (1.96)")
    model.add_argument("--xi", "--acq-xi", type=float, metavar="X", help="exploration in EI and PI (0.01)")
    model.add_argument(
        "--n-initial-points",
        type=positive_int,
        metavar="N",
        help="trials before the first model (10)",
    )
    model.add_argument("--n-jobs", type=positive_int, metavar="N", help="cores for the model (1)")
    model.add_argument(
        "--liar-strategy", metavar="L", help="accepted and not used: pending points are told no lies"
    )
