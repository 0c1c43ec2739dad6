"""A DeepHyper project: asynchronous model-based search over crystal graph networks, and over models of your own.

A problem module imports ``HpProblem`` from here, and a run module ``report`` and ``record``. They are loaded
on first use, so that a worker never imports the space and ``deephyper --help`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dh_project.common.cores import available_cores as available_cores
    from dh_project.problem import HpProblem as HpProblem
    from dh_project.trial.reporting import record as record
    from dh_project.trial.reporting import report as report
    from dh_project.trial.reporting import trial_folder as trial_folder
    from dh_project.user_code.trainables import as_run as as_run

__version__ = "0.1.0"

_HOMES = {
    "HpProblem": "dh_project.problem",
    "available_cores": "dh_project.common.cores",
    "as_run": "dh_project.user_code.trainables",
    "record": "dh_project.trial.reporting",
    "report": "dh_project.trial.reporting",
    "trial_folder": "dh_project.trial.reporting",
}
__all__ = ["HpProblem", "__version__", "as_run", "available_cores", "record", "report", "trial_folder"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
