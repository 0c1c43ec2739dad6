"""Runs one session of a search from its settings. The command line, ``dh.search`` and batch jobs all call it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.evaluators import create_evaluator, evaluator_name
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hps.criteria import LARGER, Criteria
from dh_project.hps.default_stopper import chosen_stopper
from dh_project.hps.earlier import EarlierSessions, earlier_sessions
from dh_project.hps.limits import limits_of, seconds_to_report
from dh_project.hps.log import log_level, logging_to
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.progress import progress
from dh_project.hps.searchers import create_searcher
from dh_project.hps.settings import SearchSettings
from dh_project.hps.stoppers import create_stopper
from dh_project.hps.warm_start import WarmStart, read_source
from dh_project.problem import HpProblem
from dh_project.results import records
from dh_project.results.archive import set_aside
from dh_project.results.csv_file import ResultsFile
from dh_project.results.ending import Ending
from dh_project.results.history import History, check_same_search
from dh_project.results.identity import ATTRIBUTES, Identity
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths
from dh_project.results.search_results import SearchResults, exit_status, results_of
from dh_project.trial.attempt import RunContext
from dh_project.trial.scratch import checked_place, checked_scratch, offered
from dh_project.user_code.importing import PICKLED
from dh_project.user_code.loading import absolute_target, check_run_kwargs, prepare_run
from dh_project.user_code.problems import as_problem, load_problem
from dh_project.user_code.project_code import code_of, data_of, name_of, with_absolute_paths
from dh_project.user_code.projects import full_name
from dh_project.user_code.run_function import RunFunction
from dh_project.user_code.trainables.base import Trainable
from dh_project.worker.remains import end_remains

SEED = 42


@dataclass(frozen=True)
class LoadedSearch:
    """A search whose problem and run function are loaded.

    Attributes:
        problem: The space and its starting points.
        run: The run function.
        identity: Identity of the search.
    """

    problem: HpProblem
    run: RunFunction
    identity: Identity


def run_search(
    settings: SearchSettings,
    fresh: bool = False,
    observer: Observer | None = None,
    at_end: Callable[[SearchResults], None] = lambda results: None,
) -> SearchResults:
    """Run a search, or continue the one in its folder.

    In an MPI job every rank calls this function. Rank 0 searches; the other ranks run its trials, and exit when the
    search ends.

    Args:
        settings: Everything that defines the search.
        fresh: Whether to begin a new search and to move an earlier one in the folder aside.
        observer: Is notified of ended trials and turns. None shows progress on standard output.
        at_end: Is called with the results. An MPI job that has lost a rank ends by force after that.

    Returns:
        The results of the search, over all of its sessions.

    Raises:
        UserError: A setting, the problem, the run function or the folder cannot be used.
        OSError: The journal or ``results.csv`` cannot be written.
        SystemExit: On the other ranks of an MPI job.
    """
    if evaluator_name(settings.evaluator) != "mpi":
        results = _run_session(settings, fresh, observer)
        at_end(results)
        return results
    from dh_project.evaluators.mpi_carrier import carry
    from dh_project.evaluators.mpi_world import World

    with World() as world:
        if world.rank:
            world.status = carry(world)
        else:
            results = _run_session(settings, fresh, observer, is_of_ranks=True)
            at_end(results)
            world.status = exit_status(results)
    if world.rank:
        sys.exit(world.status)
    return results


def load_search(settings: SearchSettings, history: History) -> LoadedSearch:
    """Load the problem and the run function, and check the function's arguments.

    Args:
        settings: Everything that defines the search.
        history: The history of earlier sessions.

    Raises:
        UserError: The problem or the function cannot be loaded, or the function does not accept its arguments.
    """
    import_from_working_directory()
    if isinstance(settings.problem, str):
        target: str | None = full_name(settings.problem, "Problem")
        problem, target = load_problem(str(target)), absolute_target(str(target))
    else:
        problem, target = as_problem(settings.problem), None
    run = RunFunction.of(settings.run)
    if isinstance(run.function, Trainable):
        run.function.check_ranks(settings.trial.processes)
    check_run_kwargs(
        run.name.partition("#")[0], run.function, settings.run_kwargs, problem.hyperparameter_names
    )
    earlier = history.identity.seed if history.identity else SEED
    targets = {"problem": target, "run": run.target or None}
    known = {kind: each for kind, each in targets.items() if each is not None}
    data = data_of(run.target, settings.run_kwargs) if run.target else {}
    identity = Identity(
        problem=target,
        space=problem.to_json(),
        run=run.name,
        run_kwargs=with_absolute_paths(settings.run_kwargs, data),
        seed=earlier if settings.seed is None else settings.seed,
        names={kind: name_of(each, ATTRIBUTES[kind]) for kind, each in known.items()},
        data=data,
        code=code_of(known.values()),
    )
    return LoadedSearch(problem, run, identity)


def import_from_working_directory() -> None:
    """Add the working directory to the end of the import path, so that installed modules come first."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def read_sources(
    settings: SearchSettings, history: History, problem: HpProblem, fresh: bool = False
) -> tuple[WarmStart, ...]:
    """Read the results of other searches (``warm_start``) that are not in the journal yet.

    Raises:
        UserError: A file cannot be read, or it has the search's own results.
    """
    results = SearchPaths(settings.folder).results
    files = dict.fromkeys(path.resolve() for path in settings.warm_start)
    new = [path for path in files if str(path) not in history.sources]
    if results.resolve() in new and not fresh:
        raise UserError(f"--warm-start {results}: these are the search's own results; it knows them")
    return tuple(read_source(path, problem) for path in new)


def what_is_done(settings: SearchSettings, history: History) -> str | None:
    """Return which limit earlier sessions have reached, as a text; None if there is work left."""
    if settings.max_trials is not None and history.count_ended(settings.replicates) >= settings.max_trials:
        return f"all {len(history.ended)} trials have ended already; give a larger --max-evals"
    needed = seconds_to_report(history.first_signs)
    if settings.timeout is not None and history.elapsed + needed >= settings.timeout:
        return f"the time limit of {settings.timeout:g} s is used up; give a larger timeout"
    if (ending := Criteria.of(settings).ending(history)) is not None:
        return f"{ending.reason}; give a larger {LARGER[ending.kind]}"
    return None


def _run_session(
    settings: SearchSettings, fresh: bool, observer: Observer | None, is_of_ranks: bool = False
) -> SearchResults:
    """Check all settings, start the evaluator, run the session and stop the evaluator."""
    import_from_working_directory()
    evaluator = evaluator_name(settings.evaluator)
    level, limits = log_level(), limits_of(settings)
    paths = SearchPaths(settings.folder)
    chosen = chosen_stopper(settings, paths, fresh)
    stopper = create_stopper(chosen.name, chosen.settings)
    earlier = earlier_sessions(paths, fresh, stopper)
    history = earlier.history
    loaded = load_search(settings, history)
    if not fresh:
        check_same_search(paths, history, loaded.identity)  # checked again by the loop, under the lock
    if stopper is not None:
        stopper.bind(loaded.problem, loaded.identity.seed)
    sources = read_sources(settings, history, loaded.problem, fresh)
    searcher = create_searcher(
        settings.searcher, loaded.problem, loaded.identity.seed, settings.searcher_settings
    )
    with ExitStack() as stack:
        if observer is None:
            observer = stack.enter_context(progress(limits, is_of_ranks))
        done = what_is_done(settings, history)
        if done is not None and evaluator != "balsam":  # Balsam's trials may be retried
            observer.note(f"{paths.folder.resolve()}: {done}")
            _complete_results(paths, earlier, loaded.problem, dict(settings.labels), observer)
            return results_of(paths.folder, history, Ending("complete", "nothing was left to do"))
        scratch = _scratch(settings, evaluator)
        with offered(scratch if evaluator != "balsam" else ""):
            if loaded.run.target:
                prepare_run(loaded.run.target, settings.run_kwargs)
        target = stack.enter_context(_sent(loaded.run, paths.folder))
        context = RunContext(
            target,
            dict(loaded.identity.run_kwargs),
            str(Path.cwd()),
            [path for path in sys.path if path],
            scratch=scratch,
            folder=str(paths.folder.absolute()),
            seed=loaded.identity.seed,
        )
        end_remains(context.folder)
        trials = stack.enter_context(create_evaluator(evaluator, context, evaluator_settings(settings)))
        observer.note(trials.in_words())
        if chosen.is_default:
            observer.note(
                "trials are parked, and the best ones resumed (asha); --stopper none trains all to the end"
            )
        if history.trials:
            of = "" if limits.max_trials is None else f" of {limits.max_trials}"
            parked = f", {len(history.parked)} of them parked" if history.parked else ""
            on_record = len(history.ended) + len(history.parked)
            observer.note(f"the search continues: {on_record}{of} trials are on record{parked}")
        if not limits.end_the_search:
            observer.note(
                "no limit of trials or time is set: the search runs until Ctrl-C or a signal ends it"
            )
        with _writing(paths.folder):
            paths.folder.mkdir(parents=True, exist_ok=True)
            aside = set_aside(paths) if fresh else None
            stack.enter_context(logging_to(paths.log, level))
        if aside is not None:
            observer.note(f"moved the earlier search to {aside}")
        for source in sources:
            outside = f" ({source.passed_over} lie outside of the space)" if source.passed_over else ""
            observer.note(f"learns from {len(source.results)} trials of {source.path}{outside}")
        if history.identity and history.identity.code not in ("", loaded.identity.code):
            observer.note(
                f"the code of the problem or the run function has changed since the last session; trials from "
                f"{len(history.trials)} on are of the new code"
            )
        search = Search(
            paths,
            loaded.identity,
            loaded.problem,
            searcher,
            trials,
            limits,
            observer,
            stopper,
            sources,
            settings.labels,
            {"stopper": chosen.name, "stopper_settings": dict(chosen.settings)},
            earlier=earlier,
        )
        ending = search.run()
    if search.left_running:
        observer.note(f"{len(search.left_running)} trials continue as jobs; the same command adopts them")
    return results_of(paths.folder, search.history, ending)


def evaluator_settings(settings: SearchSettings) -> EvaluatorSettings:
    """Return the settings of the evaluator."""
    return EvaluatorSettings(
        shape=settings.trial,
        num_workers=settings.num_workers,
        folder=settings.folder,
        **settings.evaluator_settings,
    )


def _scratch(settings: SearchSettings, evaluator: str) -> str:
    """Return the nodes' scratch folder; empty if there is none. It is not accessed if trials run on other machines.

    Raises:
        UserError: The folder cannot be used.
    """
    if settings.scratch is None:
        return ""
    check = checked_place if evaluator == "balsam" else checked_scratch
    return str(check(settings.scratch, settings.folder))


@contextmanager
def _sent(run: RunFunction, folder: Path) -> Iterator[str]:
    """Yield the import path that workers load. A function without one is stored in the search's folder meanwhile."""
    if run.target:
        yield run.target
        return
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        target = Path(run.send(folder))
    sent = target.stat().st_mtime
    try:
        yield str(target)
        for older in folder.glob(
            f".*{PICKLED}"
        ):  # of sessions that were killed: this one had the folder to itself
            if older.stat().st_mtime < sent:
                older.unlink()
    finally:
        target.unlink(missing_ok=True)
        with suppress(OSError):  # the folders stay only if the search has started
            for each in new:
                each.rmdir()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Replace an error of the file system by a :class:`UserError`.

    Raises:
        UserError: The folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"--log-dir {folder}: cannot be written to: {error.strerror}") from None


def _complete_results(
    paths: SearchPaths,
    earlier: EarlierSessions,
    problem: HpProblem,
    labels: dict[str, str],
    observer: Observer,
) -> None:
    """Write the results of a search that has ended, unless another driver is running.

    This is needed if the last driver was killed before it wrote them, or if the labels have changed.
    """
    try:
        with suppress(UserError), Journal(paths, earlier.take, earlier.reader) as journal:
            history = earlier.history
            if history.labels != history.labels | labels:
                journal.append(renamed := records.session(history.elapsed, {"labels": labels}))
                journal.commit()
                history.apply(renamed)
            ResultsFile(paths.results, problem.hyperparameter_names, history.labels).write(
                history.ended, history.unfinished
            )
    except OSError as error:
        observer.note(f"{paths.results}: cannot be written: {error.strerror}")
