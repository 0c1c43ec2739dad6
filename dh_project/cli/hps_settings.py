"""Converts the options of ``deephyper hps`` to search settings. An option that is not given changes nothing."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dh_project.cli.hps_options import SEARCHER_OPTIONS, option_of
from dh_project.common.errors import UserError, one_line

if TYPE_CHECKING:
    from dh_project.hps.settings import SearchSettings
    from dh_project.trial.shape import TrialShape

SITE_VARIABLE = "DH_PROJECT_SITE"
"""Environment variable in which job scripts give the name of the site."""

SETTINGS = {
    "problem": "problem",
    "run": "run",
    "seed": "seed",
    "log_dir": "folder",
    "warm_start": "warm_start",
    "searcher": "searcher",
    "evaluator": "evaluator",
    "num_workers": "num_workers",
    "scratch": "scratch",
    "target": "target",
    "max_epochs_total": "max_epochs_total",
    "patience_epochs": "patience_epochs",
    "replicates": "replicates",
    "timeout": "timeout",
    "walltime": "walltime",
    "margin": "margin",
    "trial_timeout": "trial_timeout",
    "trial_memory": "trial_memory",
    "max_retries": "max_retries",
}
"""Settings by the name of their option."""

TRIAL = {
    "num_cpus_per_task": "cores",
    "num_gpus_per_task": "gpus",
    "ranks_per_trial": "processes",
    "num_nodes_per_eval": "nodes",
}
"""Fields of ``trial`` by the name of their option."""

EVALUATOR = {
    "ray_address": "ray_address",
    "ray_password": "ray_password",
    "rank_timeout": "rank_timeout",
    "workflow": "workflow",
    "num_evals_per_node": "trials_per_node",
    "num_evals_ahead": "trials_ahead",
}
"""Names in ``evaluator_settings`` by the name of their option."""

BALSAM_SHAPE = ("num_ranks_per_node", "num_threads_per_rank")
"""Options that are a part of ``trial`` with the evaluator ``balsam``."""

OPTIONS = {
    setting: "--" + {"num_nodes_per_eval": "nodes-per-trial"}.get(option, option.replace("_", "-"))
    for option, setting in (
        SETTINGS | TRIAL | EVALUATOR | {"max_evals": "max_evals", "max_failures": "max_failures"}
    ).items()
}
"""Options by the name of their setting, for messages."""


def settings_of(arguments: argparse.Namespace, base: SearchSettings | None = None) -> SearchSettings:
    """Return the search settings of options.

    Args:
        arguments: The parsed options; those that were not given are absent.
        base: Settings that the options change. None uses the file of ``--settings``, or the defaults.

    Raises:
        UserError: The value of an option is wrong, or ``--problem`` or ``--run`` is missing.
    """
    from dh_project.hps.settings import SearchSettings

    given = vars(arguments)
    if base is None and "settings" in given:
        from dh_project.hps.settings_file import read_settings

        base = read_settings(given["settings"])
    changes = changes_of(given, base)
    missing = [f"--{name}" for name in ("problem", "run") if base is None and name not in changes]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise UserError(
            f"{' and '.join(missing)} {verb} missing: name the space and the run function, or give --settings FILE"
        )
    try:
        return SearchSettings(**changes) if base is None else replace(base, **changes)
    except UserError as error:
        raise UserError(in_options(str(error))) from None


def in_options(message: str) -> str:
    """Return a message about a setting with the name of its option.

    >>> in_options("num_workers=0: give at least 1")
    '--num-workers 0: give at least 1'
    """

    def option(match: re.Match[str]) -> str:
        name = option_of(match[1]) if match[1] in SEARCHER_OPTIONS else OPTIONS.get(match[1], match[1])
        return f"{name}{match[2].replace('=', ' ')}"

    return re.sub(r"^(?:searcher_settings\.)?(\w+)(=|:)", option, message)


def changes_of(given: Mapping[str, Any], base: SearchSettings | None) -> dict[str, Any]:
    """Return the settings that options change, by name.

    Raises:
        UserError: A value is wrong.
    """
    from dh_project.common.key_values import parse_key_values
    from dh_project.hps.criteria import parse_criteria

    changes: dict[str, Any] = {SETTINGS[name]: value for name, value in given.items() if name in SETTINGS}
    tables = {"run_kwargs": parse_key_values(given["run_kwargs"])} if "run_kwargs" in given else {}
    tables |= _stopper(given)
    if "stop" in given:
        tables["stop"] = parse_criteria(given["stop"])
    if minutes := given.get("eval_timeout_minutes"):
        changes.setdefault("trial_timeout", 60 * minutes)
    if (most := given.get("max_evals")) is not None:
        if most == 0 or most < -1:
            raise UserError(f"--max-evals {most}: give at least 1, or -1 for no limit")
        changes["max_evals"] = None if most == -1 else most
    if (failures := given.get("max_failures")) is not None:
        changes["max_failures"] = None if failures == -1 else failures
    if labels := _labels(given):
        tables["labels"] = {**(base.labels if base else {}), **labels}
    evaluator = given.get("evaluator", base.evaluator if base else "")
    changes["trial"] = _shape(given, evaluator, base.trial if base else None)
    if places := _evaluator_settings(given, evaluator):
        tables["evaluator_settings"] = {**(base.evaluator_settings if base else {}), **places}
    if model := _searcher_settings(given):
        tables["searcher_settings"] = {**(base.searcher_settings if base else {}), **model}
    if base is not None and changes.get("searcher", base.searcher) != base.searcher:
        tables.setdefault("searcher_settings", {})
    return changes | tables


def _shape(given: Mapping[str, Any], evaluator: str, base: TrialShape | None) -> TrialShape:
    """Return the shape of a trial. The options of Balsam give the number of processes on each node.

    Raises:
        UserError: An option belongs to another evaluator.
    """
    from dh_project.trial.shape import TrialShape

    if evaluator != "balsam":
        for name in BALSAM_SHAPE:
            if given.get(name) is not None:
                raise UserError(
                    f"{option_of(name)}: it belongs to --evaluator balsam; this is {evaluator or 'ray'}; leave it out"
                )
        return replace(base or TrialShape(), **_renamed(given, TRIAL))
    for name, instead in zip(("ranks_per_trial", "num_cpus_per_task"), BALSAM_SHAPE, strict=True):
        if given.get(name) is not None:
            raise UserError(f"{option_of(name)}: with --evaluator balsam, give {option_of(instead)} instead")
    base = base or TrialShape(cores=None)
    nodes = given.get("num_nodes_per_eval") or base.nodes
    return TrialShape(
        processes=nodes * (given.get("num_ranks_per_node") or base.processes_per_node),
        nodes=nodes,
        cores=given.get("num_threads_per_rank") or base.cores,
        gpus=given.get("num_gpus_per_task", base.gpus),
    )


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in given.items() if name in names and value is not None}


def _searcher_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    if (liar := given.get("liar_strategy")) not in (None, "cl_min", "cl_mean", "cl_max"):
        raise UserError(f"--liar-strategy {liar}: valid: cl_min, cl_mean, cl_max (none is used)")
    return {name: given[name] for name in SEARCHER_OPTIONS if name in given and name != "liar_strategy"}


def _evaluator_settings(given: Mapping[str, Any], evaluator: str) -> dict[str, Any]:
    """Return the settings of the evaluator from the options, and for MPI also the order of GPUs of the job's site.

    Raises:
        UserError: The site does not exist.
    """
    from dh_project.evaluators import ALIASES

    found = _renamed(given, EVALUATOR)
    if ALIASES.get(evaluator, evaluator) == "mpi":
        gpu = None
        if name := os.environ.get(SITE_VARIABLE):
            from dh_project.hpc.sites.site import load_site

            gpu = load_site(name).gpu
        if gpu is not None and gpu.order:
            found["gpu_order"] = tuple(gpu.order)
        if "SLURM_GPUS_PER_TASK" in os.environ or (gpu is not None and gpu.variable == "launcher"):
            found["gpus_by_launcher"] = True
    return found


def _labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of the search: ``experiment`` and ``tag_<key>``.

    Raises:
        UserError: A tag is not of the form ``key=value`` or is given twice, or a label is empty.
    """
    found: dict[str, str] = {}
    if given.get("experiment") is not None:
        found["experiment"] = one_line(given["experiment"])
    for word in given.get("tag", ()):
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"--tag {word!r} is not of the form KEY=VALUE, as in machine=polaris")
        if f"tag_{key}" in found:
            raise UserError(f"--tag {key!r} is given twice; give it once")
        found[f"tag_{key}"] = one_line(value)
    if empty := [name for name, value in found.items() if not value]:
        raise UserError(f"--{empty[0].replace('_', ' ', 1)}: the text is empty; give a text")
    return found


def _stopper(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stopper and its settings.

    Raises:
        UserError: Two are given, or a setting is not of the form ``key=value``.
    """
    from dh_project.common.key_values import parse_key_values

    if not (stoppers := given.get("stopper")):
        return {}
    if len(stoppers) > 1:
        raise UserError("--stopper is given twice; a search has one stopper")
    name, *words = stoppers[0]
    try:
        return {"stopper": name, "stopper_settings": parse_key_values(words)}
    except UserError as error:
        raise UserError(f"--stopper {name}: {error}") from None
