"""A DeepHyper project: asynchronous model-based search over crystal graph networks, and over models of your own.

A problem module imports ``HpProblem`` from here, and a run module ``report`` and ``record``. They are loaded
on first use, so that a worker never imports the space and ``deephyper --help`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dh_project.problem import HpProblem as HpProblem
    from dh_project.results.trial_files import find_file as find_file
    from dh_project.results.trial_files import find_origin as find_origin
    from dh_project.training.scripts import run_baseline as run_baseline
    from dh_project.training.scripts import run_best as run_best
    from dh_project.trial.checkpoint_timer import CheckpointTimer as CheckpointTimer
    from dh_project.trial.reporting import record as record
    from dh_project.trial.reporting import report as report
    from dh_project.trial.reporting import trial_folder as trial_folder
    from dh_project.user_code.loading import is_same_run as is_same_run
    from dh_project.user_code.loading import load_run as load_run
    from dh_project.user_code.trainables import as_run as as_run

__version__ = "0.1.0"

_HOMES = {
    "CheckpointTimer": "dh_project.trial.checkpoint_timer",
    "HpProblem": "dh_project.problem",
    "as_run": "dh_project.user_code.trainables",
    "find_file": "dh_project.results.trial_files",
    "find_origin": "dh_project.results.trial_files",
    "is_same_run": "dh_project.user_code.loading",
    "load_run": "dh_project.user_code.loading",
    "record": "dh_project.trial.reporting",
    "report": "dh_project.trial.reporting",
    "run_baseline": "dh_project.training.scripts",
    "run_best": "dh_project.training.scripts",
    "trial_folder": "dh_project.trial.reporting",
}
__all__ = [
    "CheckpointTimer",
    "HpProblem",
    "__version__",
    "as_run",
    "find_file",
    "find_origin",
    "is_same_run",
    "load_run",
    "record",
    "report",
    "run_baseline",
    "run_best",
    "trial_folder",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
