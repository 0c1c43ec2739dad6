"""``deephyper hps ambs`` and ``deephyper hps random``: a hyperparameter search."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dh_project.arguments import parse_key_values
from dh_project.cli.parser import Parser, natural, positive_float, positive_int
from dh_project.errors import UserError
from dh_project.trial import SearchPaths

EXAMPLE = """\
example:
  deephyper hps {name} --evaluator ray --num-workers 2 --max-evals 50 \\
      --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

The same command again goes on where it stopped.
"""

REFUSED = {
    "--cache-key": "results are never looked up by point: a trial runs once",
    "--backend": "Keras backends are not used any more",
    "--driver-num-cpus": "the driver needs no share of its own",
    "--driver-num-gpus": "the driver uses no GPU",
    "--num-ranks-per-node": "it belonged to the balsam evaluator",
    "--num-evals-per-node": "it belonged to the balsam evaluator",
    "--num-nodes-per-eval": "it belonged to the balsam evaluator",
    "--num-threads-per-rank": "it belonged to the balsam evaluator; cores of a trial: --num-cpus-per-task",
    "--num-threads-per-node": "it belonged to the balsam evaluator; cores of a trial: --num-cpus-per-task",
}
"""Options of old DeepHyper that are not here, and why (docs/options.rst has all of them)."""


class Refuse(argparse.Action):
    """An old option that is told apart from an unknown one."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Say why the option is gone."""
        parser.error(f"{option} is no longer an option: {REFUSED[str(option)]}")


def add_command(commands: Any) -> None:
    """Add ``hps`` to the commands."""
    hps = commands.add_parser("hps", help="search for hyperparameters")
    hps.set_defaults(parser=hps)
    searches = hps.add_subparsers(title="searches", metavar="SEARCH", required=False)
    for name, text in (
        ("ambs", "asynchronous model-based search (DeepHyper's CBO)"),
        ("random", "random search"),
    ):
        parser = searches.add_parser(name, help=text, description=text, epilog=EXAMPLE.format(name=name))
        parser.set_defaults(parser=parser, command=run, searcher=name)
        _add_options(parser)
        if name == "ambs":
            _add_ambs_options(parser)


def _add_options(parser: Parser) -> None:
    what = parser.add_argument_group("what to search")
    what.add_argument(
        "--problem", required=True, metavar="P", help="package.module.Problem, or a path to problem.py"
    )
    what.add_argument(
        "--run",
        "--run-function",
        required=True,
        metavar="R",
        help="package.module.run, or a path to model_run.py",
    )
    what.add_argument(
        "--run-kwargs",
        nargs="+",
        default=[],
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
    what.add_argument("--log-dir", type=Path, default=Path(), metavar="DIR", help="where results go (.)")

    where = parser.add_argument_group("where trials run")
    where.add_argument("--evaluator", default="ray", metavar="E", help="process or ray (ray)")
    where.add_argument(
        "--num-workers", type=positive_int, metavar="N", help="trials at a time (all GPUs, or all cores)"
    )
    where.add_argument(
        "--num-cpus-per-task",
        "--ray-num-cpus-per-task",
        type=positive_int,
        default=1,
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
        default="",
        metavar="A",
        help="Ray cluster, auto for this job's (one of its own)",
    )
    where.add_argument("--ray-password", metavar="P", help="password of the Ray cluster")

    limits = parser.add_argument_group("when to end")
    limits.add_argument(
        "--max-evals", type=int, default=-1, metavar="N", help="trials in all, -1 for no limit (-1)"
    )
    limits.add_argument("--timeout", type=positive_float, metavar="S", help="seconds of search in all")
    limits.add_argument(
        "--trial-timeout", type=positive_float, metavar="S", help="seconds after which a trial is killed"
    )
    limits.add_argument(
        "--eval-timeout-minutes", type=positive_float, metavar="MIN", help="the same in minutes"
    )
    limits.add_argument(
        "--max-retries",
        type=natural,
        default=1,
        metavar="N",
        help="new starts of a trial whose worker vanished (1)",
    )
    for option in REFUSED:
        parser.add_argument(option, action=Refuse, nargs="?", help=argparse.SUPPRESS)


def _add_ambs_options(parser: Parser) -> None:
    model = parser.add_argument_group("the model")
    model.add_argument("--surrogate-model", default="ET", metavar="M", help="ET, RF, GP or DUMMY (ET)")
    model.add_argument(
        "--acq-func", default="UCBd", metavar="F", help="UCBd, UCB, EI, PI, gp_hedge, … (UCBd)"
    )
    model.add_argument(
        "--kappa", "--acq-kappa", type=float, default=1.96, metavar="K", help="exploration in UCB (1.96)"
    )
    model.add_argument(
        "--xi", "--acq-xi", type=float, default=0.01, metavar="X", help="exploration in EI and PI (0.01)"
    )
    model.add_argument(
        "--n-initial-points",
        type=positive_int,
        default=10,
        metavar="N",
        help="trials before the first model (10)",
    )
    model.add_argument("--n-jobs", type=positive_int, default=1, metavar="N", help="cores for the model (1)")
    model.add_argument(
        "--liar-strategy", metavar="L", help="accepted and not used: pending points are told no lies"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a search, or go on with one, and print what was found."""
    if arguments.max_evals == 0 or arguments.max_evals < -1:
        raise UserError(f"--max-evals {arguments.max_evals}: give at least 1, or -1 for no limit")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that a folder here does not hide an installed package

    from dh_project.assignment import Setting
    from dh_project.cli.progress import progress
    from dh_project.cli.summary import print_summary
    from dh_project.evaluators import Resources, create_evaluator, evaluator_name
    from dh_project.history import History, Identity
    from dh_project.journal import scan
    from dh_project.loading import absolute_target, check_run_kwargs, load_module, load_run
    from dh_project.problem import load_problem
    from dh_project.search import Search, check_same_search
    from dh_project.searchers import create_searcher

    level = _log_level()
    evaluator_name(arguments.evaluator)
    settings = _ambs_settings(arguments)
    run_kwargs = parse_key_values(arguments.run_kwargs)
    problem = load_problem(arguments.problem)
    check_run_kwargs(arguments.run, load_run(arguments.run), run_kwargs)

    paths = SearchPaths(arguments.log_dir)
    if paths.folder.exists() and not paths.folder.is_dir():
        raise UserError(f"--log-dir {paths.folder}: this is a file; name a folder")
    history = History.replay(scan(paths.journal)[0])
    seed = arguments.seed if arguments.seed is not None else history.identity.seed if history.identity else 42
    identity = Identity(
        problem=absolute_target(arguments.problem),
        space=problem.to_json(),
        run=absolute_target(arguments.run),
        run_kwargs=run_kwargs,
        seed=seed,
    )
    check_same_search(paths, history, identity)
    limits = _limits(arguments)
    if limits.max_evals is not None and len(history.ended) >= limits.max_evals:
        print(f"{paths.folder.resolve()}: all {len(history.ended)} trials have ended already")
        print_summary(history, paths, problem)
        return 0
    prepare(load_module(arguments.run)[0], run_kwargs)

    setting = Setting(identity.run, run_kwargs, str(Path.cwd()), [path for path in sys.path if path])
    resources = Resources(
        num_workers=arguments.num_workers,
        cpus_per_trial=arguments.num_cpus_per_task,
        gpus_per_trial=arguments.num_gpus_per_task,
        ray_address=arguments.ray_address,
        ray_password=arguments.ray_password,
    )
    with ExitStack() as stack:
        evaluator = stack.enter_context(create_evaluator(arguments.evaluator, setting, resources))
        searcher = create_searcher(arguments.searcher, problem, seed, settings)
        _open_folder(paths, level)
        observer = stack.enter_context(progress(limits))
        search = Search(paths, identity, problem, searcher, evaluator, limits, observer)
        ending = search.run()
    print_summary(search.history, paths, problem, ending.reason)
    return {"signal": 130, "losses": 1}.get(ending.kind, 0)


def prepare(module: Any, run_kwargs: dict[str, Any]) -> None:
    """Call the run module's ``prepare(**run_kwargs)``, where it has one: once, before any trial.

    Raises:
        UserError: It refuses its arguments, or a file that they name.
    """
    function: Callable[..., None] | None = getattr(module, "prepare", None)
    if function is None:
        return
    try:
        function(**run_kwargs)
    except (ValueError, OSError) as error:
        raise UserError(" ".join(str(error).split())) from error
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"prepare(**run_kwargs) of {module.__name__}, before any trial: {said}") from error


def _ambs_settings(arguments: argparse.Namespace) -> Any:
    if arguments.searcher != "ambs":
        return None
    from dh_project.searchers.settings import AMBSSettings

    if arguments.liar_strategy not in (None, "cl_min", "cl_mean", "cl_max"):
        raise UserError(
            f"--liar-strategy {arguments.liar_strategy}: valid: cl_min, cl_mean, cl_max (none is used)"
        )
    return AMBSSettings.checked(
        arguments.surrogate_model,
        arguments.acq_func,
        kappa=arguments.kappa,
        xi=arguments.xi,
        n_initial_points=arguments.n_initial_points,
        n_jobs=arguments.n_jobs,
    )


def _limits(arguments: argparse.Namespace) -> Any:
    from dh_project.search import Limits

    minutes = arguments.eval_timeout_minutes
    return Limits(
        max_evals=None if arguments.max_evals == -1 else arguments.max_evals,
        timeout=arguments.timeout,
        trial_timeout=arguments.trial_timeout or (60 * minutes if minutes else None),
        max_retries=arguments.max_retries,
    )


def _log_level() -> str:
    level = os.environ.get("DEEPHYPER_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise UserError(f"DEEPHYPER_LOG_LEVEL={level}: valid: {', '.join(logging.getLevelNamesMapping())}")
    return level


def _open_folder(paths: SearchPaths, level: str) -> None:
    """Make the search's folder, and let the log go there."""
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(paths.log, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"--log-dir {paths.folder}: cannot be written to: {error.strerror}") from None
    handler.setFormatter(
        logging.Formatter("%(asctime)s|%(process)d|%(levelname)s|%(name)s] %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    logger = logging.getLogger("dh_project")
    logger.setLevel(level)
    logger.addHandler(handler)
    logger.propagate = False
