"""Running one point outside a search: reports and records are printed, files go to a folder.

The folder holds the files that the run function writes into ``trial_folder()``, and ``reports.csv`` with a picture.
If a class or a LightningModule was interrupted, the same command goes on from its checkpoint. A finished run is never
overwritten.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dh_project.common.console import tell
from dh_project.common.errors import UserError
from dh_project.common.files import replacing, write_table, write_whole
from dh_project.trial.deephyper_job import argument_for
from dh_project.trial.reporting import Connection, connect
from dh_project.user_code.trainables.base import Trainable

REPORTS, PICTURE = "reports.csv", "reports.png"
UNFINISHED = ".unfinished.json"
"""Marks a folder whose run has not ended; holds the configuration of that run."""


def run_in_folder(
    name: str,
    function: Callable[..., Any],
    point: Mapping[str, Any],
    run_kwargs: Mapping[str, Any],
    folder: Path,
    recorded: float | None = None,
) -> None:
    """Run a point, keep its files in a folder, and print the objective.

    Args:
        name: The name of the run function, which identifies an interrupted run.
        function: The run function.
        point: The hyperparameters.
        run_kwargs: The other arguments of the run function.
        folder: The folder for its files.
        recorded: The objective that a search recorded for this point, which is printed beside the new one.

    Raises:
        UserError: The folder holds a finished run or other files, or cannot be made or written to.
    """
    home = folder.absolute()
    with _writing(home):
        home.mkdir(parents=True, exist_ok=True)
        _check_is_free(folder)
    configuration = {"run": name, "point": dict(point), "run_kwargs": dict(run_kwargs)}
    with _unfinished(home, json.dumps(configuration, default=str)) as was_interrupted:
        # only a Trainable writes checkpoints that are known to belong to this run
        goes_on = was_interrupted and isinstance(function, Trainable)
        if goes_on:
            print(f"resumes from the last checkpoint in {folder}", flush=True)
        with _writing(home):
            console = Console(home, goes_on)
        connect(console)
        try:
            objective = function(argument_for(function, point), **run_kwargs)
        finally:
            connect(Connection())
        with _writing(home):
            console.write_reports()
    if isinstance(objective, dict):  # as in DeepHyper 0.13, with metadata beside the objective
        objective = objective.get("objective")
    known = "" if recorded is None else f" (recorded: {recorded})"
    print(f"objective: {objective}{known}")
    tell(f"files in {folder}: {', '.join(sorted(path.name for path in home.iterdir())) or 'none'}")


def _check_is_free(folder: Path) -> None:
    """Check that a folder holds nothing but the files of a run that did not end.

    Raises:
        UserError: It holds a finished run or other files.
    """
    if any(folder.iterdir()) and not (folder / UNFINISHED).exists():
        raise UserError(
            f"{folder} holds a finished run or other files: give folder=NAME for another folder, or remove it"
        )


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    """Turn an error in writing our own files into one line.

    Raises:
        UserError: A file cannot be written.
    """
    try:
        yield
    except OSError as error:
        path = error.filename or home
        raise UserError(
            f"{path} cannot be written: {error.strerror}; mend that, or go to another folder"
        ) from None


@contextmanager
def _unfinished(home: Path, configuration: str) -> Iterator[bool]:
    """Mark a folder until its run ends or fails.

    Yields:
        Whether a run with the same configuration was interrupted in this folder.
    """
    mark = home / UNFINISHED
    with _writing(home):
        was_interrupted = mark.is_file() and mark.read_text(encoding="utf-8") == configuration
        write_whole(mark, configuration)
    try:
        yield was_interrupted
    except Exception:  # its checkpoint may be the cause, so the next run starts from the beginning
        write_whole(mark, "{}")
        raise
    mark.unlink(missing_ok=True)


class Console(Connection):
    """Prints the reports and records of a run, and writes its reports to a table.

    Args:
        home: The folder for the files of the run function.
        goes_on: Whether the run goes on from the checkpoint of an interrupted one in this folder.
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
                    with suppress(TypeError, ValueError):  # the last line may be incomplete
                        self._take(int(row["step"]), float(row["objective"]))

    def report(self, step: int, objective: float, of: int | None = None) -> bool:
        """Print an intermediate objective and append it to the table."""
        print(f"step {step}: {objective:.6g}", flush=True)
        self._take(step, objective)
        # at once, so that a killed run leaves its reports
        with _writing(self._table.parent), self._table.open("a", encoding="utf-8") as file:
            if not file.tell():
                file.write("step,objective\n")
            file.write(f"{step},{objective}\n")
        return True

    def record(self, facts: dict[str, Any]) -> None:
        """Print named facts."""
        tell("; ".join(f"{name}: {value}" for name, value in facts.items()))

    def write_reports(self) -> None:
        """Write the table, with one row for each step, and draw it."""
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
        """Keep a report; a resumed run repeats the steps after its checkpoint, so they replace the earlier ones."""
        while self._reports and self._reports[-1]["step"] >= step:
            self._reports.pop()
        self._reports.append({"step": step, "objective": objective})
