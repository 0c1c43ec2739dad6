"""Reruns the schedule of a trial as one training: each segment goes on from the checkpoint of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.results.lineage import Segment, read_schedule
from dh_project.trial.deephyper_job import argument_for
from dh_project.trial.reporting import Connection, connect
from dh_project.trial.seeds import seed_of
from dh_project.user_code.loading import load_run


def run_schedule(path: Path | str, folder: Path | str, **run_kwargs: Any) -> float:
    """Train with a schedule that ``deephyper-analytics lineage`` wrote.

    The run function is called once for each segment. It must report its steps, save a checkpoint when a report
    returns False, and go on from that of ``dh.previous_folder(...)``. Segments whose folder exists are not trained
    again, except for the last of them, so that the same call continues an interrupted training.

    Args:
        path: The schedule, a JSON or YAML file.
        folder: Folder for the files of the segments: ``segment-1``, ``segment-2``, ...
        **run_kwargs: Arguments of the run function that replace those of the search.

    Returns:
        The objective of the last segment.

    Raises:
        UserError: The file is no schedule, or a segment did not go on from the checkpoint before it.

    Example::

        dh.run_schedule("schedule.json", folder="rerun")
    """
    schedule = read_schedule(Path(path))
    if not schedule.rerun.get("run"):
        raise UserError(f"{path}: the run function of the search has no name, so that it cannot be rerun")
    function = load_run(schedule.rerun["run"])
    arguments = {**schedule.rerun["run_kwargs"], **run_kwargs}
    home = Path(folder).absolute()
    folders = [home / f"segment-{number}" for number in range(1, len(schedule.schedule) + 1)]
    done = max(0, sum(each.is_dir() for each in folders) - 1)
    objective, end = float("nan"), None
    for number in range(done, len(folders)):
        segment, own = schedule.schedule[number], folders[number]
        own.mkdir(parents=True, exist_ok=True)
        before = [each for each in folders[number::-1] if any(each.iterdir())]
        connection = SegmentConnection(segment, own, before, schedule.rerun["seed"])
        connect(connection)
        try:
            returned = function(argument_for(function, dict(segment.point)), **arguments)
        finally:
            connect(Connection())
        began = connection.reports[0] if connection.reports else None
        if end is not None and began is not None and began[0] < segment.first_step and began != end:
            raise UserError(
                f"{own}: the run function began at step {began[0]} and not from the checkpoint at step {end[0]}; it "
                f"must go on from dh.previous_folder(...)"
            )
        end = connection.reports[-1] if connection.reports else None
        objective = float(returned["objective"] if isinstance(returned, dict) else returned)
    return objective


class SegmentConnection(Connection):
    """Ends a run function at the last step of a segment.

    Args:
        segment: The segment.
        folder: Its folder.
        predecessors: The folders to go on from, the latest first.
        seed: Seed of the search.

    Attributes:
        reports: The reports so far.
    """

    def __init__(self, segment: Segment, folder: Path, predecessors: Sequence[Path], seed: int) -> None:
        self.folder = self.home = folder
        self.predecessors, self.point = predecessors, segment.point
        self.seed = seed_of(seed, segment.trial) % 2**32
        self.reports: list[tuple[int, float]] = []
        self._last = segment.last_step

    def report(self, step: int, objective: float, of: int | None = None) -> bool:
        """Print an intermediate objective, and return whether the segment goes on."""
        self.reports.append((step, objective))
        print(f"step {step}: {objective:.6g}", flush=True)
        return step < self._last
