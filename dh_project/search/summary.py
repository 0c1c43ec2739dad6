"""What a search prints at its end: the best trial beside the baseline, and the files it left."""

from __future__ import annotations

import shlex
from typing import Any

from rich.table import Table

from dh_project.common.console import open_console
from dh_project.problem import HpProblem
from dh_project.results.ending import Ending
from dh_project.results.failures import in_common
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.search.limits import Limits
from dh_project.trial.trial import Trial


def print_summary(
    history: History,
    paths: SearchPaths,
    problem: HpProblem,
    ending: Ending | None = None,
    limits: Limits | None = None,
) -> None:
    """Print the best configuration beside the first starting point's, and where everything lies."""
    console = open_console()
    ended = history.ended
    failed = [trial for trial in ended if trial.objective is None]
    good = [trial for trial in ended if trial.objective is not None]
    console.print(
        f"{len(ended)} trials ended, {len(failed)} of them failed, in {history.elapsed:.1f} s"
        + (f" ({ending.reason})" if ending else "")
    )
    most = limits.max_evals if limits else None
    if ending and ending.kind != "complete" and (most is None or len(ended) < most):
        larger = " with a larger --timeout" if ending.kind == "timeout" else ""
        console.print(f"the same command{larger} goes on where this one stopped")
    for sentence in in_common(failed, good):
        console.print(f"failures  {sentence}")
    best = history.best
    if best is not None:
        console.print(_table(best, _baseline(history, problem)))
    console.print(f"results   {paths.results}")
    console.print(f"journal   {paths.journal}")
    console.print(f"log       {paths.log}")
    if best is not None:
        console.print(f"trials    {paths.folder / 'trials'} (best: {paths.trial(best.id, best.attempt)})")
        results, best_file = (shlex.quote(str(path)) for path in (paths.results, paths.folder / "best.json"))
        console.print(f"next      deephyper-analytics topk {results} -o {best_file}")


def _baseline(history: History, problem: HpProblem) -> Trial | None:
    """Return the trial of the first starting point, if it has an objective."""
    first = history.trials.get(0)
    is_baseline = bool(problem.starting_points) and first is not None and first.objective is not None
    return first if is_baseline else None


def _table(best: Trial, baseline: Trial | None) -> Table:
    table = Table(title="best configuration", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column(f"best (trial {best.id})", justify="right")
    if baseline is not None:
        table.add_column(f"baseline (trial {baseline.id})", justify="right")
    for name, value, other in _rows(best, baseline):
        table.add_row(name, _shown(value), *([] if baseline is None else [_shown(other)]))
    return table


def _rows(best: Trial, baseline: Trial | None) -> list[tuple[str, Any, Any]]:
    """Return name, best trial's value and baseline's value of the objective, the point and the facts."""
    other = baseline or best
    names = dict.fromkeys([*best.point, *other.point])
    facts = dict.fromkeys([*best.facts, *other.facts])
    return [
        ("objective", best.objective, other.objective),
        *((name, best.point.get(name), other.point.get(name)) for name in names),
        *((name, best.facts.get(name), other.facts.get(name)) for name in facts),
    ]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
