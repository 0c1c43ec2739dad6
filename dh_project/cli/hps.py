"""``deephyper hps ambs`` and ``deephyper hps random``: a hyperparameter search."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli import hps_options as options
from dh_project.cli import hps_resources as places
from dh_project.cli import hps_settings
from dh_project.common.console import tell
from dh_project.common.errors import UserError
from dh_project.results.paths import SearchPaths
from dh_project.search.log import log_level, log_to

if TYPE_CHECKING:
    from dh_project.evaluators.mpi_world import World
    from dh_project.problem import HpProblem
    from dh_project.results.ending import Ending
    from dh_project.results.history import History, Identity
    from dh_project.search.limits import Limits
    from dh_project.search.warm_start import Source

SEED = 42

DESCRIPTION = """\
Search for the hyperparameters that make the objective of a run function as large as can be.

Each trial is a process of its own; the folder of --log-dir has all that is known of it.
"""

EXAMPLE = """\
example:
  deephyper hps {name} --evaluator ray --num-workers 2 --max-evals 50 \\
      --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

The same command again goes on where it stopped.
"""


def add_command(commands: Any) -> None:
    """Add ``hps`` to the commands."""
    hps = commands.add_parser(
        "hps", help="search for hyperparameters", description=DESCRIPTION, epilog=EXAMPLE.format(name="ambs")
    )
    searches = hps.add_subparsers(title="searches", metavar="SEARCH", required=False)
    for name, text in (
        ("ambs", "asynchronous model-based search (DeepHyper's CBO)"),
        ("random", "random search"),
    ):
        parser = searches.add_parser(name, help=text, description=text, epilog=EXAMPLE.format(name=name))
        parser.set_defaults(command=run, searcher=name)
        options.add_options(parser)
        if name == "ambs":
            options.add_ambs_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a search, or go on with one, and print what was found; or carry a worker for the rank that does."""
    from dh_project.common.signals import ending_at_once

    with ending_at_once():  # until the search takes note of signals
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from dh_project.evaluators import evaluator_name

    evaluator = evaluator_name(arguments.evaluator)
    places.check_places(arguments, evaluator)
    if evaluator != "mpi":
        return _search(arguments, evaluator)
    from dh_project.evaluators.mpi_carrier import carry
    from dh_project.evaluators.mpi_world import World

    with World() as world:
        world.status = carry(world) if world.rank else _search(arguments, evaluator, world)
    return world.status


def _search(arguments: argparse.Namespace, evaluator: str, world: World | None = None) -> int:
    """Run a search, or go on with one, and print what was found."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that a folder here does not hide an installed package

    from dh_project.evaluators import create_evaluator
    from dh_project.results.archive import set_aside
    from dh_project.results.history import check_same_search
    from dh_project.search.loop import Search
    from dh_project.search.progress import progress
    from dh_project.search.searchers import create_searcher
    from dh_project.search.summary import print_summary
    from dh_project.trial.attempt import RunContext
    from dh_project.trial.scratch import offered
    from dh_project.user_code.loading import prepare_run

    level, limits = log_level(), hps_settings.limits(arguments)
    settings, machines = hps_settings.ambs_settings(arguments), places.evaluator_settings(arguments)
    stopper, labels = hps_settings.stopper(arguments), hps_settings.labels(arguments)
    paths = SearchPaths(arguments.log_dir)
    history = earlier_sessions(paths, arguments.fresh)
    problem, identity = load_search(arguments, history)
    check_same_search(paths, history, identity)  # the search checks again, under the lock
    sources = read_sources(arguments, paths, history, problem)
    done = what_is_done(history, limits)
    if done is not None and evaluator != "balsam":  # whose trials may be wanted again
        tell(f"{paths.folder.resolve()}: {done}")
        _make_up_results(paths, problem, labels)
        print_summary(history, paths, problem)
        return exit_status(history)
    scratch = places.scratch(arguments, evaluator)
    with offered(scratch if evaluator != "balsam" else ""):
        prepare_run(arguments.run, identity.run_kwargs)

    context = RunContext(
        identity.run,
        dict(identity.run_kwargs),
        str(Path.cwd()),
        [path for path in sys.path if path],
        scratch=scratch,
    )
    with ExitStack() as stack:
        trials = stack.enter_context(create_evaluator(evaluator, context, machines))
        tell(trials.in_words())
        searcher = create_searcher(arguments.searcher, problem, identity.seed, settings)
        try:
            paths.folder.mkdir(parents=True, exist_ok=True)
            aside = set_aside(paths) if arguments.fresh else None
            log_to(paths.log, level)
        except OSError as error:
            raise UserError(f"--log-dir {paths.folder}: cannot be written to: {error.strerror}") from None
        if aside is not None:
            tell(f"the earlier search was put aside: {aside}")
        for source in sources:
            outside = f" ({source.passed_over} lie outside of the space)" if source.passed_over else ""
            tell(f"learns from {len(source.results)} trials of {source.path}{outside}")
        observer = stack.enter_context(progress(limits, is_of_ranks=world is not None))
        search = Search(
            paths, identity, problem, searcher, trials, limits, observer, stopper, sources, labels
        )
        ending = search.run()
    print_summary(search.history, paths, problem, ending, limits)
    if search.left_running:
        tell(f"{len(search.left_running)} trials go on as jobs; the same command adopts them")
    return exit_status(search.history, ending)


def exit_status(history: History, ending: Ending | None = None) -> int:
    """Return 130 after a signal, 1 where too much went wrong or no trial has an objective, else 0."""
    kind = ending.kind if ending else "complete"
    if kind == "signal":
        return 130
    return int(kind in ("losses", "failures") or (bool(history.ended) and history.best is None))


def earlier_sessions(paths: SearchPaths, fresh: bool) -> History:
    """Return what earlier sessions left in a folder, which may not be there yet; nothing for a fresh start."""
    from dh_project.results.archive import unfinished
    from dh_project.results.history import History
    from dh_project.results.journal import scan

    if paths.folder.is_symlink() and not paths.folder.exists():
        raise UserError(
            f"--log-dir {paths.folder}: a link that leads nowhere; make its target, or name a folder"
        )
    if paths.folder.exists() and not paths.folder.is_dir():
        raise UserError(f"--log-dir {paths.folder}: this is a file; name a folder")
    if fresh:
        return History()
    if (part := unfinished(paths)) is not None:
        raise UserError(f"{part}: --fresh was interrupted here; give it again, or move what is in there back")
    return History.replay(scan(paths.journal)[0])


def read_sources(
    arguments: argparse.Namespace, paths: SearchPaths, history: History, problem: HpProblem
) -> tuple[Source, ...]:
    """Read the results of other searches that this one has not learnt yet."""
    from dh_project.search.warm_start import read_source

    if arguments.warm_start and arguments.searcher == "random":
        raise UserError("--warm-start: random search learns nothing; leave it out, or search with hps ambs")
    files = dict.fromkeys(path.resolve() for path in arguments.warm_start)
    new = [path for path in files if str(path) not in history.sources]
    if paths.results.resolve() in new and not arguments.fresh:
        raise UserError(f"--warm-start {paths.results}: these are the search's own results; it knows them")
    return tuple(read_source(path, problem) for path in new)


def what_is_done(history: History, limits: Limits) -> str | None:
    """Say what of the limits is used up by earlier sessions; None where nothing is."""
    from dh_project.search.limits import seconds_to_report

    if limits.max_evals is not None and len(history.ended) >= limits.max_evals:
        return f"all {len(history.ended)} trials have ended already"
    needed = seconds_to_report(history.first_signs)
    if limits.timeout is not None and history.elapsed + needed >= limits.timeout:
        return f"the time limit of {limits.timeout:g} s is used up; give a larger --timeout"
    return None


def _make_up_results(paths: SearchPaths, problem: HpProblem, labels: dict[str, str]) -> None:
    """Write the results of a search that has ended, unless another driver is at work.

    Its own may have died before it did, or the search is called something else now.
    """
    from dh_project.results import records
    from dh_project.results.csv_file import ResultsFile
    from dh_project.results.history import History
    from dh_project.results.journal import Journal

    try:
        with suppress(UserError), Journal(paths) as journal:
            history = History.replay(journal.records)
            if history.labels != history.labels | labels:
                journal.append(renamed := records.session(history.elapsed, {"labels": labels}))
                journal.commit()
                history.apply(renamed)
            ResultsFile(paths.results, problem.hyperparameter_names, history.labels).write(history.ended)
    except OSError as error:
        tell(f"{paths.results}: cannot be written: {error.strerror}")


def load_search(arguments: argparse.Namespace, history: History) -> tuple[HpProblem, Identity]:
    """Load problem and run function, and return what makes the search this one; bare names are made complete."""
    from dh_project.common.key_values import parse_key_values
    from dh_project.results.history import Identity
    from dh_project.user_code.loading import absolute_target, check_run_kwargs, load_run
    from dh_project.user_code.problems import load_problem
    from dh_project.user_code.projects import full_name

    arguments.problem = full_name(arguments.problem, "Problem")
    arguments.run = full_name(arguments.run, "run")
    run_kwargs = parse_key_values(arguments.run_kwargs)
    problem = load_problem(arguments.problem)
    check_run_kwargs(arguments.run, load_run(arguments.run), run_kwargs, problem.hyperparameter_names)
    earlier = history.identity.seed if history.identity else SEED
    return problem, Identity(
        problem=absolute_target(arguments.problem),
        space=problem.to_json(),
        run=absolute_target(arguments.run),
        run_kwargs=run_kwargs,
        seed=earlier if arguments.seed is None else arguments.seed,
    )
