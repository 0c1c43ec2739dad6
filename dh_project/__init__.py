"""A DeepHyper project: asynchronous model-based search over crystal graph networks, and over models of your own.

::

    import dh_project as dh

    problem = dh.HpProblem()
    problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
    found = dh.search(problem, "run.py:run", folder="search", max_evals=50, evaluator="process")
    found.best.point

The names below are public. They are imported when they are first used (PEP 562), so that a worker never imports the
search and ``deephyper --help`` stays quick. Everything else is private and may move.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dh_project.common.errors import UserError as UserError
    from dh_project.evaluators.base import Evaluator as Evaluator
    from dh_project.problem import HpProblem as HpProblem
    from dh_project.results.search_results import SearchResults as SearchResults
    from dh_project.results.search_results import open_search as open_search
    from dh_project.search.observer import Observer as Observer
    from dh_project.search.run import search as search
    from dh_project.search.searchers.base import Searcher as Searcher
    from dh_project.search.settings import SearchSettings as SearchSettings
    from dh_project.search.stoppers.base import Stopper as Stopper
    from dh_project.trial.reporting import record as record
    from dh_project.trial.reporting import report as report
    from dh_project.trial.reporting import trial_folder as trial_folder
    from dh_project.trial.shape import TrialShape as TrialShape
    from dh_project.trial.trial import Trial as Trial
    from dh_project.user_code.trainables import as_run as as_run

__version__ = "0.1.0"

_HOMES = {
    "Evaluator": "dh_project.evaluators.base",
    "HpProblem": "dh_project.problem",
    "Observer": "dh_project.search.observer",
    "SearchResults": "dh_project.results.search_results",
    "SearchSettings": "dh_project.search.settings",
    "Searcher": "dh_project.search.searchers.base",
    "Stopper": "dh_project.search.stoppers.base",
    "Trial": "dh_project.trial.trial",
    "TrialShape": "dh_project.trial.shape",
    "UserError": "dh_project.common.errors",
    "as_run": "dh_project.user_code.trainables",
    "open_search": "dh_project.results.search_results",
    "record": "dh_project.trial.reporting",
    "report": "dh_project.trial.reporting",
    "search": "dh_project.search.run",
    "trial_folder": "dh_project.trial.reporting",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
