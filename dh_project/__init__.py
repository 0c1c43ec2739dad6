"""A DeepHyper project: asynchronous model-based search over crystal graph networks, and over models of your own.

::

    import dh_project as dh

    problem = dh.HpProblem()
    problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
    found = dh.search(problem, "run.py:run", folder="search", max_evals=50, evaluator="process")
    found.best.point

Everything that is public is a name of this module. All other modules are private and may move. The public names are
imported when they are first used, so that a worker never imports the search and ``deephyper --help`` stays quick.

Searches:
    ``HpProblem``, ``search``, ``open_search``, ``SearchSettings``, ``TrialShape``, ``SearchResults``, ``Trial``,
    ``Replicates``, ``UserError``

Inside a run function:
    ``resumable``, ``report``, ``record``, ``trial_folder``, ``trial_seed``, ``previous_folder``, ``home_folder``,
    ``scratch_folder``, ``CheckpointTimer``

Parts of your own:
    ``Searcher``, ``Stopper``, ``Move``, ``Evaluator``, ``Observer``, ``as_run``

Files and trials of a search:
    ``find_file``, ``find_origin``, ``best_configuration``

Running one point outside a search:
    ``run_baseline``, ``run_best``, ``run_schedule``, ``load_run``, ``is_same_run``, ``parse_key_values``,
    ``is_none``, ``exit_status``, ``MISTAKES``, ``Connection``, ``connect``

Tools that the problem package uses, and that yours may use too:
    ``content_hash`` and ``with_absolute_paths`` (of data, for ``identify_data`` of a run module), ``errors``
    (wording of messages), ``files`` (files that are written whole or not at all), ``file_lock``, ``ranks`` (the
    processes of one data-parallel trial), ``scratch`` (node-local storage)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dh_project.common import errors as errors
    from dh_project.common import files as files
    from dh_project.common.cores import available_cores as available_cores
    from dh_project.common.errors import UserError as UserError
    from dh_project.common.exit_status import MISTAKES as MISTAKES
    from dh_project.common.exit_status import exit_status as exit_status
    from dh_project.common.file_lock import file_lock as file_lock
    from dh_project.common.key_values import parse_key_values as parse_key_values
    from dh_project.common.none import is_none as is_none
    from dh_project.evaluators.base import Evaluator as Evaluator
    from dh_project.hps.observer import Observer as Observer
    from dh_project.hps.run import search as search
    from dh_project.hps.searchers.base import Searcher as Searcher
    from dh_project.hps.settings import SearchSettings as SearchSettings
    from dh_project.hps.stoppers.base import Move as Move
    from dh_project.hps.stoppers.base import Stopper as Stopper
    from dh_project.problem import HpProblem as HpProblem
    from dh_project.results.replicates import Replicates as Replicates
    from dh_project.results.reruns import best_configuration as best_configuration
    from dh_project.results.search_results import SearchResults as SearchResults
    from dh_project.results.search_results import open_search as open_search
    from dh_project.results.trial_files import find_file as find_file
    from dh_project.results.trial_files import find_origin as find_origin
    from dh_project.training.schedule import run_schedule as run_schedule
    from dh_project.training.scripts import run_baseline as run_baseline
    from dh_project.training.scripts import run_best as run_best
    from dh_project.trial import ranks as ranks
    from dh_project.trial import scratch as scratch
    from dh_project.trial.checkpoint_timer import CheckpointTimer as CheckpointTimer
    from dh_project.trial.reporting import Connection as Connection
    from dh_project.trial.reporting import connect as connect
    from dh_project.trial.reporting import home_folder as home_folder
    from dh_project.trial.reporting import previous_folder as previous_folder
    from dh_project.trial.reporting import record as record
    from dh_project.trial.reporting import report as report
    from dh_project.trial.reporting import scratch_folder as scratch_folder
    from dh_project.trial.reporting import trial_folder as trial_folder
    from dh_project.trial.reporting import trial_seed as trial_seed
    from dh_project.trial.shape import TrialShape as TrialShape
    from dh_project.trial.trial import Trial as Trial
    from dh_project.user_code.loading import is_same_run as is_same_run
    from dh_project.user_code.loading import load_run as load_run
    from dh_project.user_code.project_code import content_hash as content_hash
    from dh_project.user_code.project_code import with_absolute_paths as with_absolute_paths
    from dh_project.user_code.resumable import resumable as resumable
    from dh_project.user_code.trainables import as_run as as_run

__version__ = "0.1.0"

_HOMES = {
    "CheckpointTimer": "dh_project.trial.checkpoint_timer",
    "Connection": "dh_project.trial.reporting",
    "Evaluator": "dh_project.evaluators.base",
    "HpProblem": "dh_project.problem",
    "MISTAKES": "dh_project.common.exit_status",
    "Move": "dh_project.hps.stoppers.base",
    "Observer": "dh_project.hps.observer",
    "Replicates": "dh_project.results.replicates",
    "SearchResults": "dh_project.results.search_results",
    "SearchSettings": "dh_project.hps.settings",
    "Searcher": "dh_project.hps.searchers.base",
    "Stopper": "dh_project.hps.stoppers.base",
    "Trial": "dh_project.trial.trial",
    "TrialShape": "dh_project.trial.shape",
    "UserError": "dh_project.common.errors",
    "as_run": "dh_project.user_code.trainables",
    "available_cores": "dh_project.common.cores",
    "best_configuration": "dh_project.results.reruns",
    "connect": "dh_project.trial.reporting",
    "content_hash": "dh_project.user_code.project_code",
    "exit_status": "dh_project.common.exit_status",
    "file_lock": "dh_project.common.file_lock",
    "find_file": "dh_project.results.trial_files",
    "find_origin": "dh_project.results.trial_files",
    "home_folder": "dh_project.trial.reporting",
    "is_none": "dh_project.common.none",
    "is_same_run": "dh_project.user_code.loading",
    "load_run": "dh_project.user_code.loading",
    "open_search": "dh_project.results.search_results",
    "parse_key_values": "dh_project.common.key_values",
    "previous_folder": "dh_project.trial.reporting",
    "record": "dh_project.trial.reporting",
    "report": "dh_project.trial.reporting",
    "resumable": "dh_project.user_code.resumable",
    "run_baseline": "dh_project.training.scripts",
    "run_best": "dh_project.training.scripts",
    "run_schedule": "dh_project.training.schedule",
    "scratch_folder": "dh_project.trial.reporting",
    "search": "dh_project.hps.run",
    "trial_folder": "dh_project.trial.reporting",
    "trial_seed": "dh_project.trial.reporting",
    "with_absolute_paths": "dh_project.user_code.project_code",
}
"""The module that defines each public name."""

_NAMESPACES = {
    "errors": "dh_project.common.errors",
    "files": "dh_project.common.files",
    "ranks": "dh_project.trial.ranks",
    "scratch": "dh_project.trial.scratch",
}
"""The module that each public namespace is."""

__all__ = ["__version__", *_HOMES, *_NAMESPACES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in _NAMESPACES:
        return import_module(_NAMESPACES[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for tab completion."""
    return sorted(__all__)
