"""The lineage of a trial: which hyperparameters its weights were trained with, from which step to which.

A trial may begin from the checkpoint of a parent (population-based training). Its weights have then been trained with
the parent's hyperparameters first. The resulting schedule can be rerun as one training
(:func:`dh_project.training.schedule.run_schedule`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.common.files import check_output, write_whole
from dh_project.common.yaml_core import YAMLError, dump_yaml, load_yaml
from dh_project.results.history import History
from dh_project.results.journal import JournalReader
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import Point, Trial

FORMATS = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Segment:
    """A part of a schedule.

    Attributes:
        trial: The trial that was trained.
        first_step: Its first step in this schedule.
        last_step: Its last step in this schedule.
        point: Its hyperparameters.
    """

    trial: int
    first_step: int
    last_step: int
    point: Point


@dataclass(frozen=True)
class Schedule:
    """The hyperparameters of one training from its first step to its last.

    Attributes:
        trial: The trial at its end.
        objective: The objective of that trial.
        schedule: The segments, the first one first.
        rerun: Run function, run-kwargs and seed of the search.
    """

    trial: int
    objective: float
    schedule: list[Segment]
    rerun: dict[str, Any]

    def write(self, path: Path | None) -> None:
        """Write the schedule to a JSON or YAML file; print YAML if there is no path.

        Raises:
            UserError: The file has another ending or cannot be written.
        """
        if path is None:
            print(dump_yaml(asdict(self)))
            return
        check_output(path, FORMATS, inputs=[])
        is_json = path.suffix.lower() == ".json"
        write_whole(path, json.dumps(asdict(self), indent=1) + "\n" if is_json else dump_yaml(asdict(self)))


def schedule_of(folder: Path, trial: int | None = None) -> Schedule:
    """Return the schedule of a trial.

    Args:
        folder: The folder of the search.
        trial: Id of the trial; None for the best one.

    Raises:
        UserError: There is no search, no such trial, or it has no objective or no reports.
    """
    history, first, last = _read(SearchPaths(folder))
    best = history.best
    chosen = best if trial is None else history.trials.get(trial)
    if chosen is None:
        raise UserError(
            f"{folder}: " + ("no trial has an objective" if trial is None else f"there is no trial {trial}")
        )
    if chosen.objective is None or chosen.step is None:
        raise UserError(f"{folder}: trial {chosen.id} has no objective or no reports, and so no schedule")
    segments: list[Segment] = []
    member, (until, _) = chosen, chosen.reports[-1]
    while True:
        parent, end = _origin(member, history, last)
        begins, objective = first[member.id]
        goes_on = parent is not None and (begins > end[0] or (begins, objective) == end)
        begins = end[0] + 1 if goes_on else begins  # a child may report the last step of its parent again
        segments.insert(0, Segment(member.id, begins, until, member.point))
        if parent is None or not goes_on:  # it began anew
            break
        member, until = parent, end[0]
    identity = history.identity
    assert identity is not None
    rerun = {"run": identity.run_to_load, "run_kwargs": dict(identity.run_kwargs), "seed": identity.seed}
    return Schedule(chosen.id, chosen.objective, segments, rerun)


def read_schedule(path: Path) -> Schedule:
    """Read a schedule that :meth:`Schedule.write` wrote as JSON or YAML.

    Raises:
        UserError: The file is none.
    """
    try:
        data = load_yaml(path.read_text(encoding="utf-8"))
        segments = [Segment(**each) for each in data["schedule"]]
        return Schedule(data["trial"], data["objective"], segments, data["rerun"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (YAMLError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: not a file that deephyper-analytics lineage results.csv -o {path.name} writes"
        ) from None


Report = tuple[int, float]
"""Step and objective."""


def _origin(
    trial: Trial, history: History, last: Mapping[tuple[int, int], Report]
) -> tuple[Trial | None, Report]:
    """Return the parent of a trial, and the parent's last report before the checkpoint from which the trial began."""
    if trial.parent is None:
        return None, (0, 0.0)
    for attempt in range(trial.parent_attempt or 0, 0, -1):
        if (end := last.get((trial.parent, attempt))) is not None:
            return history.trials[trial.parent], end
    return None, (0, 0.0)


def _read(paths: SearchPaths) -> tuple[History, dict[int, Report], dict[tuple[int, int], Report]]:
    """Return the history of a search, the first report of each trial, and the last report of each attempt."""
    history = History()
    first: dict[int, Report] = {}
    last: dict[tuple[int, int], Report] = {}
    for records in JournalReader(paths.journal).new():
        for record in records:
            history.apply(record)
            if record["kind"] == "report":
                report = record["step"], record["objective"]
                first.setdefault(record["trial"], report)
                last[record["trial"], record["attempt"]] = report
    if history.identity is None:
        raise UserError(f"{paths.folder}: no search has been run here (no {paths.journal.name})")
    return history, first, last
