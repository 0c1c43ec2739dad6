"""What a replication has found: means with standard errors, and which configurations differ significantly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from dh_project.common.console import open_console
from dh_project.common.files import write_table, write_whole
from dh_project.hps.replication import Replication
from dh_project.results.comparison import LEVEL, Comparison, compare
from dh_project.results.paths import SearchPaths
from dh_project.results.replicates import FEWEST, IGNORED, Replicates, ignore_seeds, replicates_of
from dh_project.results.search_results import SearchResults

FORMATS = (".json", ".csv")

MOST_SENTENCES = 10
"""Largest number of comparisons that are all printed. Of more, those with the default and the best one are."""


def print_replication(results: SearchResults, replication: Replication, output: Path | None = None) -> None:
    """Print a table of the configurations and a sentence about each pair, and write both to a file.

    Args:
        results: The results of the replication's search.
        replication: The configurations.
        output: A ``.json`` or ``.csv`` file; None for no file. The comparisons are only in the JSON file.
    """
    console = open_console()
    found = dict(zip(replication.names, replicates_of(results.trials).values(), strict=False))
    recorded = dict(zip(replication.names, replication.recorded, strict=True))
    comparisons = compare({name: each.objectives for name, each in found.items()})
    ended, wanted = len(results.history.ended), len(recorded) * replication.settings.replicates
    if ended < wanted:
        console.print(f"{ended} of {wanted} trials have ended; the same command continues the replication")
    table = rows(found, recorded)
    console.print(_table(table))
    for comparison in telling(comparisons, found):
        console.print(comparison.in_words())
    for sentence in remarks(found):
        console.print(sentence)
    console.print(f"results   {SearchPaths(results.folder).results}")
    if output is not None:
        write(output, table, comparisons)
        console.print(f"table     {output}")


def rows(found: Mapping[str, Replicates], recorded: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Return a row for each configuration, with the objective that the search recorded."""
    return [
        {
            "configuration": name,
            "mean": each.mean,
            "standard_error": each.standard_error,
            "n": len(each.objectives),
            "failed": each.failed,
            "recorded": recorded[name],
            "objectives": each.objectives,
            "trials": [trial.id for trial in each.trials],
            "point": each.trials[0].point,
        }
        for name, each in found.items()
    ]


def telling(comparisons: Sequence[Comparison], found: Mapping[str, Replicates]) -> list[Comparison]:
    """Return the comparisons to print: all, or if there are many, those with the first and the best configuration."""
    if len(comparisons) <= MOST_SENTENCES:
        return list(comparisons)
    means = {name: each.mean for name, each in found.items() if len(each.objectives) >= FEWEST}
    chosen = {next(iter(found)), max(means, key=lambda name: means[name] or 0.0)}
    return [each for each in comparisons if chosen & {each.first, each.second}]


def remarks(found: Mapping[str, Replicates]) -> list[str]:
    """Return sentences about configurations that are not compared, and about objectives without any variation."""
    said = []
    few = [name for name, each in found.items() if len(each.objectives) < FEWEST]
    if few:
        said.append(f"{', '.join(few)}: fewer than {FEWEST} objectives, so there is no comparison")
    if ignore_seeds(found.values()):
        said.append(IGNORED)
    return said


def write(path: Path, table: Sequence[Mapping[str, Any]], comparisons: Sequence[Comparison]) -> None:
    """Write the rows as CSV, or the rows and the comparisons as JSON, completely or not at all."""
    if path.suffix.lower() == ".csv":
        cells = [{**row, **{f"p:{name}": value for name, value in row["point"].items()}} for row in table]
        nested = ("objectives", "trials", "point")
        write_table(path, [{name: row[name] for name in row if name not in nested} for row in cells])
        return
    pairs = [{**asdict(each), "is_significant": each.is_significant} for each in comparisons]
    data = {"level": LEVEL, "configurations": table, "comparisons": pairs}
    write_whole(path, json.dumps(data, indent=1) + "\n")


def _table(table: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False)
    shown.add_column("configuration")
    for title in ("mean objective", "standard error", "n", "failed", "in the search"):
        shown.add_column(title, justify="right")
    for row in table:
        cells = (row[name] for name in ("mean", "standard_error", "n", "failed", "recorded"))
        shown.add_row(
            row["configuration"],
            *(
                "" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell)
                for cell in cells
            ),
        )
    return shown
