"""Names the trial that a model of the objective expects to be the best, beside the best observed one."""

from __future__ import annotations

from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.hps.searchers.ambs import AMBS
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.hps.searchers.told import UNFINISHED
from dh_project.problem import HpProblem
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.results.reading import history_beside

LARGEST_JOURNAL = 50 * 2**20
"""Bytes of the largest journal that ``topk`` reads as a whole for the model's choice, in less than a second."""


def model_choice_beside(results: Path) -> str | None:
    """Return :func:`model_choice` of the journal beside a results file; None without one, or if it is very large."""
    journal = SearchPaths(results.parent).journal
    if not journal.is_file() or journal.stat().st_size > LARGEST_JOURNAL:
        return None
    return model_choice(history_beside(results))


def model_choice(history: History) -> str | None:
    """Return a line that names the model's choice, if it is not the best observed trial; otherwise None.

    The model is that of ``ambs``, whatever searcher proposed the points. Trials that a stopper ended or parked are
    left out.

    Args:
        history: The state of a search. It need not have the reports.
    """
    identity, best = history.identity, history.best
    if identity is None or best is None:
        return None
    ended = [trial for trial in history.ended if trial.state not in UNFINISHED]
    try:
        problem = HpProblem.from_json(identity.space)
        chosen = AMBS(problem, identity.seed, AMBSSettings()).recommended(ended)
    except (UserError, ValueError):  # the journal's space cannot be read, or the fit failed
        return None
    if chosen is None or chosen.point == best.point:
        return None
    return (
        f"the model expects trial {chosen.id} (objective {chosen.objective:.6g}) to be the best; "
        f"trial {best.id} (objective {best.objective:.6g}) may have been lucky"
    )
