"""Evaluators: they carry trials to workers somewhere, and the workers' events back."""

from __future__ import annotations

from dh_project.assignment import Setting
from dh_project.errors import unknown
from dh_project.evaluators.base import Evaluator, Resources

EVALUATORS = ("process", "ray", "balsam")
ALIASES = {"subprocess": "process", "processPool": "process", "threadPool": "process", "thread": "process"}
"""Old DeepHyper's names, and what does their work."""


def evaluator_name(name: str) -> str:
    """Return the evaluator that a name or an old name means.

    Raises:
        UserError: It means none.
    """
    name = ALIASES.get(name, name)
    if name not in EVALUATORS:
        raise unknown("evaluator", name, EVALUATORS)
    return name


def create_evaluator(name: str, setting: Setting, resources: Resources) -> Evaluator:
    """Start an evaluator.

    Raises:
        UserError: Its name is unknown, or its workers cannot be had.
    """
    match evaluator_name(name):
        case "ray":
            from dh_project.evaluators.ray import RayEvaluator

            return RayEvaluator(setting, resources)
        case "balsam":
            from dh_project.balsam.place import find_place
            from dh_project.evaluators.balsam import BalsamEvaluator

            return BalsamEvaluator(setting, find_place(setting.run, resources))
        case _:
            from dh_project.evaluators.process import ProcessEvaluator

            return ProcessEvaluator(setting, resources)
