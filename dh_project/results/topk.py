"""``topk``: the best trials of a results file, as YAML, JSON or CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.files import check_output, write_table, write_whole
from dh_project.common.yaml_core import dump_yaml
from dh_project.results.reading import FACT, Result, read_results
from dh_project.results.reruns import reruns_of

Entries = dict[str, dict[str, Any]]

TIMES = ("timestamp_submit", "timestamp_gather")
"""Recorded values that are left out; the second one is ``elapsed_sec``."""

FORMATS = (".json", ".yaml", ".yml", ".csv")


def top_results(path: Path, k: int) -> list[Result]:
    """Return the ``k`` best results of a results file; all successful ones if there are fewer.

    Raises:
        UserError: The file is not a results file, it is empty, or all its trials failed.
    """
    return read_results(path, k)


def entries(results: Sequence[Result]) -> Entries:
    """Return results by rank, from ``'0'``, each with its names in alphabetical order.

    Recorded values have the prefix ``m:``, as in ``results.csv``.

    >>> entries([Result(id=3, point={"lr": 0.1}, objective=-0.2, elapsed=9.5, facts={"val_mae": 0.2})])
    {'0': {'elapsed_sec': 9.5, 'id': 3, 'lr': 0.1, 'm:val_mae': 0.2, 'objective': -0.2}}
    """
    table = {}
    for rank, result in enumerate(results):
        entry = {
            **result.point,
            **{f"{FACT}{name}": value for name, value in result.facts.items() if name not in TIMES},
            "id": result.id,
            "elapsed_sec": result.elapsed,
            "objective": result.objective,
        }
        table[str(rank)] = dict(sorted(entry.items()))
    return table


def as_yaml(table: Mapping[str, Any]) -> str:
    """Return entries as YAML, with numbers at full precision."""
    return dump_yaml(dict(table))


def write(source: Path, results: Sequence[Result], target: Path) -> None:
    """Write results to a file in the format of its ending.

    JSON and YAML files also have the settings that rerun each result, under ``rerun``.

    Args:
        source: The results file of the results.
        results: The results, best first.
        target: A ``.json``, ``.yaml`` or ``.csv`` file.

    Raises:
        UserError: The file has another ending or cannot be written, or it is the results file.
    """
    check_output(target, FORMATS, inputs=[source])
    table = entries(results)
    if target.suffix.lower() == ".csv":
        write_table(target, list(table.values()))
        return
    for entry, rerun in zip(table.values(), reruns_of(source, results), strict=True):
        entry["rerun"] = rerun
    write_whole(
        target, as_yaml(table) if target.suffix.lower() != ".json" else json.dumps(table, indent=1) + "\n"
    )
