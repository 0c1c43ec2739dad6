"""``deephyper hps ambs`` and ``deephyper hps random``: a hyperparameter search."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.arguments import parse_key_values
from dh_project.cli import hps_options as options
from dh_project.cli.log import log_level, log_to
from dh_project.errors import UserError
from dh_project.trial import SearchPaths

if TYPE_CHECKING:
    from dh_project.history import History, Identity
    from dh_project.limits import Ending
    from dh_project.problem import HpProblem

SEED = 42

EXAMPLE = """\
example:
  deephyper hps {name} --evaluator ray --num-workers 2 --max-evals 50 \\
      --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

The same command again goes on where it stopped.
"""


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
        options.add_options(parser)
        if name == "ambs":
            options.add_ambs_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a search, or go on with one, and print what was found."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that a folder here does not hide an installed package

    from dh_project.archive import set_aside
    from dh_project.assignment import Setting
    from dh_project.cli.progress import progress
    from dh_project.cli.summary import print_summary
    from dh_project.evaluators import create_evaluator, evaluator_name
    from dh_project.history import History, check_same_search
    from dh_project.loading import prepare_run
    from dh_project.results_file import ResultsFile
    from dh_project.search import Search
    from dh_project.searchers import create_searcher
    from dh_project.warm_start import read_source

    evaluator_name(arguments.evaluator)
    level, limits = log_level(), options.limits(arguments)
    settings, resources = options.ambs_settings(arguments), options.resources(arguments)
    stopper = options.stopper(arguments)
    paths = SearchPaths(arguments.log_dir)
    history = History() if arguments.fresh else _earlier_sessions(paths)
    problem, identity = _load(arguments, history)
    check_same_search(paths, history, identity)  # the search checks again, under the lock
    sources = tuple(read_source(path, problem) for path in arguments.warm_start)
    if limits.max_evals is not None and len(history.ended) >= limits.max_evals:
        print(f"{paths.folder.resolve()}: all {len(history.ended)} trials have ended already")
        # The last driver may have died before it wrote this.
        ResultsFile(paths.results, problem.hyperparameter_names).write(history.ended)
        print_summary(history, paths, problem)
        return 0
    prepare_run(arguments.run, identity.run_kwargs)

    setting = Setting(
        identity.run, dict(identity.run_kwargs), str(Path.cwd()), [path for path in sys.path if path]
    )
    with ExitStack() as stack:
        evaluator = stack.enter_context(create_evaluator(arguments.evaluator, setting, resources))
        searcher = create_searcher(arguments.searcher, problem, identity.seed, settings)
        try:
            paths.folder.mkdir(parents=True, exist_ok=True)
            aside = set_aside(paths) if arguments.fresh else None
            log_to(paths.log, level)
        except OSError as error:
            raise UserError(f"--log-dir {paths.folder}: cannot be written to: {error.strerror}") from None
        if aside is not None:
            print(f"the earlier search was put aside: {aside}")
        for source in sources:
            print(f"learns from {len(source.results)} trials of {source.path}", end="")
            print(f" ({source.passed_over} lie outside of the space)" if source.passed_over else "")
        observer = stack.enter_context(progress(limits))
        search = Search(paths, identity, problem, searcher, evaluator, limits, observer, stopper, sources)
        ending = search.run()
    print_summary(search.history, paths, problem, ending)
    return _exit_status(ending, search.history)


def _exit_status(ending: Ending, history: History) -> int:
    """Return 130 after a signal, 1 where too much went wrong or no trial has an objective, else 0."""
    if ending.kind == "signal":
        return 130
    went_wrong = ending.kind in ("losses", "failures")
    return int(went_wrong or (bool(history.ended) and history.best is None))


def _earlier_sessions(paths: SearchPaths) -> History:
    """Return what earlier sessions left in a folder, which may not be there yet."""
    from dh_project.history import History
    from dh_project.journal import scan

    if paths.folder.exists() and not paths.folder.is_dir():
        raise UserError(f"--log-dir {paths.folder}: this is a file; name a folder")
    return History.replay(scan(paths.journal)[0])


def _load(arguments: argparse.Namespace, history: History) -> tuple[HpProblem, Identity]:
    """Load problem and run function, and return what makes the search this one."""
    from dh_project.history import Identity
    from dh_project.loading import absolute_target, check_run_kwargs, load_run
    from dh_project.problem import load_problem

    run_kwargs = parse_key_values(arguments.run_kwargs)
    problem = load_problem(arguments.problem)
    check_run_kwargs(arguments.run, load_run(arguments.run), run_kwargs)
    earlier = history.identity.seed if history.identity else SEED
    return problem, Identity(
        problem=absolute_target(arguments.problem),
        space=problem.to_json(),
        run=absolute_target(arguments.run),
        run_kwargs=run_kwargs,
        seed=earlier if arguments.seed is None else arguments.seed,
    )
