"""Prints the summary at the end of a search: the best trial beside the baseline, and the files."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from dh_project.common.console import open_console
from dh_project.common.plain import plain
from dh_project.hps.criteria import LARGER
from dh_project.hps.model_choice import model_choice
from dh_project.results.failures import in_common
from dh_project.results.paths import SearchPaths
from dh_project.results.replicates import IGNORED, Replicates, ignore_seeds
from dh_project.results.search_results import SearchResults
from dh_project.trial.trial import STAND_IN, STARTING_POINT, State, Trial


def print_summary(results: SearchResults, max_trials: int | None = None) -> None:
    """Print the best configuration beside the first starting point's, and the files of the search.

    Args:
        results: The results of the search.
        max_trials: The limit on the number of trials; None for no limit.
    """
    console, paths = open_console(), SearchPaths(results.folder)
    ended, ending = results.history.ended, results.ending
    parked = f"{len(results.history.parked)} are parked, " if results.history.parked else ""
    failed = [trial for trial in ended if trial.objective is None]
    good = [trial for trial in ended if trial.objective is not None]
    of_points = f" of {results.history.points} points" if results.history.replicates else ""
    console.print(
        f"{len(ended)} trials{of_points} ended, {len(failed)} of them failed, {parked}"
        f"in {results.history.elapsed:.1f} s" + (f" ({ending.reason})" if ending else "")
    )
    if ending and ending.kind != "complete" and (max_trials is None or len(ended) < max_trials):
        larger = f" with a larger {LARGER[ending.kind]}" if ending.kind in LARGER else ""
        console.print(f"the same command{larger} continues the search")
    if said := epochs_saved(results.trials):
        console.print(f"epochs    {said}")
    for sentence in in_common(failed, good):
        console.print(f"failures  {plain(sentence)}")
    stand_ins = sum(trial.origin == STAND_IN for trial in results.trials)
    if stand_ins:
        console.print(
            f"searcher  failed for {stand_ins} of {len(results.trials)} points, which are random; "
            f"{paths.log} says why"
        )
    best = results.best
    if best is not None:
        console.print(_table(results, best, _baseline(results)))
    if ignore_seeds(map(Replicates, results.history.replicates.values())):
        console.print(f"seeds     {IGNORED}")
    if line := model_choice(results.history):
        console.print(f"model     {line.removeprefix('the model ')}")
    console.print(f"results   {paths.results}")
    console.print(f"journal   {paths.journal}")
    console.print(f"log       {paths.log}")
    if best is not None:
        console.print(f"trials    {paths.folder / 'trials'} (best: {best.folder})")
        table, best_file = (shlex.quote(str(path)) for path in (paths.results, paths.folder / "best.json"))
        console.print(f"next      deephyper-analytics topk {table} -o {best_file}")


def epochs_saved(trials: Iterable[Trial]) -> str:
    """Return how many epochs the trials took, and how many all of them would take to their ends.

    An epoch is a reported step. The length of a trial that was stopped or parked is unknown. It is estimated by the
    median of the trials that ran to their ends.

    Returns:
        The sentence; empty if no trial was stopped or parked.

    Example:
        >>> done = Trial(0, {}, "random", 1, State.DONE, reports=[(n, 0.0) for n in range(1, 11)], epochs=10)
        >>> short = Trial(1, {}, "random", 1, State.STOPPED, reports=[(1, 0.0)], epochs=1)
        >>> epochs_saved([done, short])
        '11 of 20 that the same trials would take to their ends (55 %)'
    """
    trials = list(trials)
    if not any(trial.state is State.STOPPED or trial.parked_at is not None for trial in trials):
        return ""
    lengths = [len(dict(trial.reports)) for trial in trials]
    spent = sum(trial.epochs for trial in trials)
    said, again = f"{spent:,}", spent - sum(lengths)
    if full := [length for trial, length in zip(trials, lengths, strict=True) if trial.state is State.DONE]:
        typical = statistics.median(full)
        whole = sum(
            length if trial.state.has_ended and trial.state is not State.STOPPED else max(length, typical)
            for trial, length in zip(trials, lengths, strict=True)
        )
        share = f"{100 * spent / max(whole, 1):.0f} %"
        said += f" of {whole:,.0f} that the same trials would take to their ends ({share})"
    if again:
        said += f"; {again:,} were trained again after an interruption or a resumption"
    return said


def _baseline(results: SearchResults) -> Trial | None:
    """Return the trial of the first starting point, if it has an objective."""
    first = results.history.trials.get(0)
    is_baseline = first is not None and first.origin == STARTING_POINT and first.objective is not None
    return first if is_baseline else None


def _table(results: SearchResults, best: Trial, baseline: Trial | None) -> Table:
    table = Table(title="best configuration", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column(f"best ({_number(best)})", justify="right")
    if baseline is not None:
        table.add_column(f"baseline ({_number(baseline)})", justify="right")
    for name, value, other in _rows(results, best, baseline or best):
        table.add_row(_shown(name), _shown(value), *([] if baseline is None else [_shown(other)]))
    return table


def _number(trial: Trial) -> str:
    """Return the trial's number, and the step of its objective if that is not the last one."""
    return f"trial {trial.id}" + ("" if trial.state.has_ended else f" at step {trial.parked_at}")


def _rows(results: SearchResults, best: Trial, other: Trial) -> list[tuple[str, Any, Any]]:
    """Return the name, the best trial's value and the other's value of each row."""
    names = dict.fromkeys([*best.point, *other.point])
    facts = dict.fromkeys([*best.metadata, *other.metadata])
    objectives: list[tuple[str, Any, Any]] = [("objective", best.objective, other.objective)]
    if results.history.replicates:
        one, two = results.replicates_of(best), results.replicates_of(other)
        objectives = [
            ("mean objective", one.mean, two.mean),
            ("standard error", one.standard_error, two.standard_error),
            ("objectives", len(one.objectives), len(two.objectives)),
            ("failed", one.failed, two.failed),
        ]
    return [
        *objectives,
        *((name, best.point.get(name), other.point.get(name)) for name in names),
        *((name, best.metadata.get(name), other.metadata.get(name)) for name in facts),
    ]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else plain(value)
