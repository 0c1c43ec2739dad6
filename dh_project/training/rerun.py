"""One point outside a search: the baseline, or the best that a search found.

The ``default_config.py`` and ``best_config.py`` of a problem are a call of this each. What the run function reports
is printed; what it leaves in ``trial_folder()`` lies in a folder of the working directory, ``default_config`` or
``best_config``, beside ``reports.csv`` and its picture. A class or a Lightning module that was interrupted goes on
from its checkpoint when the same command is given again.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.common.exit_status import MISTAKES, exit_status
from dh_project.common.files import replacing, write_table, write_whole
from dh_project.common.key_values import parse_key_values
from dh_project.results.reading import BestConfiguration, best_configuration
from dh_project.trial.deephyper_job import argument_for
from dh_project.trial.reporting import Connection, connect
from dh_project.user_code.importing import load_module
from dh_project.user_code.loading import check_run_kwargs, load_run, prepare_run
from dh_project.user_code.trainables.base import Trainable

REPORTS, PICTURE = "reports.csv", "reports.png"
UNFINISHED = ".unfinished.json"
"""What a run in a folder is of, for as long as it has not ended."""

USUAL_FILES = ("best.json", "results.csv")

Retrain = Callable[..., None]
"""Runs ``(point, run_kwargs, folder=…, recorded=…)``, and prints what it came to."""


def default_config(
    problem: str, run: str, words: Sequence[str] | None = None, retrain: Retrain | None = None
) -> int:
    """Run a problem's first starting point.

    Args:
        problem: What ``--problem`` names it by.
        run: What ``--run`` names it by.
        words: ``key=value`` for the run function; None for the process's own.
        retrain: What runs it, where that is more than a call; its ``ValueError`` and ``OSError`` are mistakes too.

    Returns:
        The exit status: 2 for a mistake, which is one line; 130 for Ctrl-C.
    """

    def command(words: Sequence[str]) -> None:
        from dh_project.user_code.problems import load_problem  # slow to import, and a mistake quick to tell

        given = parse_key_values(words)
        points = load_problem(problem).starting_points
        if not points:
            raise UserError(f"{problem} has no starting point; add one with Problem.add_starting_point(...)")
        _prepare(run, given)
        (retrain or partial(_retrain, run))(points[0], given, folder="default_config")

    return exit_status(command, words, MISTAKES if retrain else (UserError,))


def best_config(run: str, words: Sequence[str] | None = None, retrain: Retrain | None = None) -> int:
    """Run the best point of a ``results.csv``, or of a ``best.json`` that ``topk`` wrote, as the search ran it.

    Args:
        run: What ``--run`` names the run function by.
        words: The file, by default the working directory's, and ``key=value`` that win over the recorded arguments;
            None for the process's own.
        retrain: What runs it, where that is more than a call; its ``ValueError`` and ``OSError`` are mistakes too.

    Returns:
        The exit status: 2 for a mistake, which is one line; 130 for Ctrl-C.
    """

    def command(words: Sequence[str]) -> None:
        given = parse_key_values([word for word in words if "=" in word])
        path = results_file([word for word in words if "=" not in word])
        best = best_configuration(path)
        _check_is_of(run, best, path)
        print(f"trial {best.trial} of {path}: {best.point}", flush=True)
        run_kwargs = best.run_kwargs | given
        _prepare(run, run_kwargs)
        (retrain or partial(_retrain, run))(
            best.point, run_kwargs, folder="best_config", recorded=best.objective
        )

    return exit_status(command, words, MISTAKES if retrain else (UserError,))


def results_file(names: Sequence[str]) -> Path:
    """Return the one file of results that is named, or that lies in the working directory.

    Raises:
        UserError: Several are named, or none is and none is there.
    """
    if len(names) > 1:
        raise UserError(f"one file of results is enough, and {len(names)} are given: {', '.join(names)}")
    found = [Path(name) for name in names or USUAL_FILES if names or Path(name).exists()]
    if not found:
        raise UserError(f"there is neither {' nor '.join(USUAL_FILES)} here; name one of a search")
    return found[0]


def _check_is_of(run: str, best: BestConfiguration, path: Path) -> None:
    """Refuse a point of another run function; a search may have named this one by its file."""
    if best.run is None or best.run == run:
        return
    if best.run.endswith(".py") and load_module(run)[0].__file__ == best.run:
        return
    raise UserError(f"{path}: its trials are of {best.run}, and this runs {run}; name results of that")


def _prepare(run: str, run_kwargs: Mapping[str, Any]) -> None:
    """Do what a search does before its first trial."""
    check_run_kwargs(run, load_run(run), run_kwargs)
    prepare_run(run, run_kwargs)


def _retrain(
    run: str,
    point: Mapping[str, Any],
    run_kwargs: Mapping[str, Any],
    folder: str,
    recorded: float | None = None,
) -> None:
    """Run a point in a folder, and print what it came to.

    Args:
        run: What ``--run`` names the run function by.
        point: The hyperparameters.
        run_kwargs: The other arguments.
        folder: Where its files go.
        recorded: The objective that a search found, to print beside the new one.

    Raises:
        UserError: The folder cannot be made, or written to.
    """
    function = load_run(run)
    home = Path(folder).absolute()
    with _writing(home):
        home.mkdir(exist_ok=True)
    configuration = {"run": run, "point": dict(point), "run_kwargs": dict(run_kwargs)}
    with _unfinished(home, json.dumps(configuration, default=str)) as was_interrupted:
        # a function's own files may be of an older run; those that these leave are of this one
        goes_on = was_interrupted and isinstance(function, Trainable)
        if goes_on:
            print(f"goes on where it was interrupted, from the last checkpoint in {folder}", flush=True)
        with _writing(home):
            person = Person(home, goes_on)
        connect(person)
        try:
            objective = function(argument_for(function, point), **run_kwargs)
        finally:
            connect(Connection())
        with _writing(home):
            person.leave_reports()
    if isinstance(objective, dict):  # as in today's DeepHyper, with facts beside it
        objective = objective.get("objective")
    known = "" if recorded is None else f" (recorded: {recorded})"
    print(f"objective: {objective}{known}")
    print(f"files in {folder}: {', '.join(sorted(path.name for path in home.iterdir())) or 'none'}")


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    """Tell in one line that files cannot be written; what the run function itself raises is its own.

    Raises:
        UserError: They cannot.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or home
        raise UserError(
            f"{where} cannot be written: {error.strerror}; mend that, or go to another folder"
        ) from None


@contextmanager
def _unfinished(home: Path, configuration: str) -> Iterator[bool]:
    """Mark a folder for as long as a run in it has neither ended nor failed.

    Yields:
        Whether a run of the same configuration was interrupted here.
    """
    mark = home / UNFINISHED
    with _writing(home):
        was_interrupted = mark.is_file() and mark.read_text(encoding="utf-8") == configuration
        write_whole(mark, configuration)
    try:
        yield was_interrupted
    except Exception:  # what it saved may be why: the next run begins anew
        mark.unlink(missing_ok=True)
        raise
    mark.unlink(missing_ok=True)


class Person(Connection):
    """Tells a person what the worker would be told in a search.

    Args:
        home: Where the run function's files go.
        goes_on: Whether it goes on from what an interrupted run left there.
    """

    def __init__(self, home: Path, goes_on: bool) -> None:
        self.folder = self.home = home
        self.predecessors = [home] if goes_on else []
        self._table, self._picture = home / REPORTS, home / PICTURE
        self._reports: list[dict[str, Any]] = []
        if not goes_on:
            for older in (self._table, self._picture):
                older.unlink(missing_ok=True)
        elif self._table.is_file():
            with self._table.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    with suppress(TypeError, ValueError):  # the last line may be torn
                        self._take(int(row["step"]), float(row["objective"]))

    def report(self, step: int, objective: float) -> bool:
        """Print an intermediate objective, and write it down."""
        print(f"step {step}: {objective:.6g}", flush=True)
        self._take(step, objective)
        # at once, so that a killed run leaves its own, too
        with _writing(self._table.parent), self._table.open("a", encoding="utf-8") as file:
            if not file.tell():
                file.write("step,objective\n")
            file.write(f"{step},{objective}\n")
        return True

    def record(self, facts: dict[str, Any]) -> None:
        """Print named facts."""
        print("; ".join(f"{name}: {value}" for name, value in facts.items()), flush=True)

    def leave_reports(self) -> None:
        """Write what was reported, each step once, and draw it."""
        if not self._reports:
            return
        from matplotlib.figure import Figure  # slow to import

        write_table(self._table, self._reports)
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*(report.values() for report in self._reports), strict=True), marker=".")
        axes.set(xlabel="step", ylabel="objective")
        with replacing(self._picture) as aside:
            figure.savefig(aside, dpi=150, format="png")

    def _take(self, step: int, objective: float) -> None:
        """Keep a report; a run that went on from a checkpoint makes the steps after that once more."""
        while self._reports and self._reports[-1]["step"] >= step:
            self._reports.pop()
        self._reports.append({"step": step, "objective": objective})
