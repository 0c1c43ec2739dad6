"""Training one configuration with several seeds, to see how much the metrics vary by chance."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

import dh_project as dh
from dh_project.cgcnn_mp.training.configuration import DEFAULTS, point_and_arguments
from dh_project.cgcnn_mp.training.evaluation import METRICS
from dh_project.cgcnn_mp.training.saving import LAST
from dh_project.cgcnn_mp.training.start_or_resume import is_finished, start
from dh_project.cgcnn_mp.training.start_or_resume import resume as resume_training
from dh_project.cgcnn_mp.training.train_in_folder import Say, holds, lines_of

SEEDS = "seeds.csv"
"""File with one row per seed: the seed, and each metric of each set."""


def train_with_seeds(
    folder: Path, given: dict[str, Any], repetitions: int, resume: bool = False, say: Say = print
) -> None:
    """Train a configuration with several seeds, and print mean and standard deviation of the metrics.

    If the same call was interrupted, the unfinished trainings are resumed.

    Args:
        folder: The folder; each training gets a folder ``seed-<number>`` in it.
        given: The settings. The first seed is their ``seed``, by default 0.
        repetitions: Number of seeds, at least 2.
        resume: Whether to resume also if settings have changed.
        say: Prints a line.

    Raises:
        UserError: One of the folders holds another training.
        ValueError, FloatingPointError, OSError: As ``train_in_folder``.
    """
    first = int(given.get("seed", DEFAULTS["seed"]))
    homes = {seed: folder / f"seed-{seed}" for seed in range(first, first + repetitions)}
    begun = [home for home in homes.values() if (home / LAST).exists()]
    others = [home for seed, home in homes.items() if home in begun and not _holds(home, given, seed)]
    refused = (
        f"{(others or begun or [folder])[0]} holds a training: go on with --resume, or name another --folder"
    )
    if others and not resume:
        raise dh.UserError(refused)
    undone = {seed: home for seed, home in homes.items() if not is_finished(home, {**given, "seed": seed})}
    if begun and not undone and not resume:
        raise dh.UserError(refused)
    rows = []
    for number, (seed, home) in enumerate(homes.items(), start=1):
        say(f"seed {seed} ({number} of {repetitions})")
        if seed in undone:
            train = resume_training if home in begun else start
            train(home, {**given, "seed": seed}, say=say)
        rows.append({"seed": seed, **_metrics(home)})
        dh.files.write_table(folder / SEEDS, rows)
    for line in _summary(rows):
        say(line)
    say(f"each one's metrics in {folder / SEEDS}")


def _holds(home: Path, given: dict[str, Any], seed: int) -> bool:
    return holds(home, *point_and_arguments({**given, "seed": seed}))


def _metrics(home: Path) -> dict[str, float | None]:
    """Return the metrics of a training by name, such as ``test mae``."""
    sets: Mapping[str, Mapping[str, Any]] = json.loads((home / METRICS).read_text(encoding="utf-8"))
    return {f"{which} {name}": value for which, metrics in sets.items() for name, value in metrics.items()}


def _summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of mean and sample standard deviation over the seeds, one line for each metric."""
    table = Table("metric", "mean", "standard deviation", "of seeds", box=None, pad_edge=False)
    for name in rows[0]:
        values = [row[name] for row in rows if name != "seed" and row.get(name) is not None]
        if len(values) > 1:
            mean, deviation = statistics.mean(values), statistics.stdev(values)
            table.add_row(name, f"{mean:.4f}", f"{deviation:.4f}", str(len(values)))
    return lines_of(table)
