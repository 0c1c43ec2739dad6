"""What the options of ``deephyper hps`` mean to the search: labels, settings of its model, limits, stopper."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError, one_line

if TYPE_CHECKING:
    from dh_project.search.limits import Limits
    from dh_project.search.searchers import AMBSSettings
    from dh_project.search.stoppers import Stopper


def check_settings(arguments: argparse.Namespace) -> None:
    """Check them all without a search, as what submits one does.

    Raises:
        UserError: One is wrong.
    """
    labels(arguments)
    ambs_settings(arguments)
    stopper(arguments)
    limits(arguments)


def labels(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the search is called, as each of its rows has it: ``experiment``, and ``tag_<key>``.

    Raises:
        UserError: A tag is not of the form ``key=value``, or comes twice; or a name is empty.
    """
    found: dict[str, str] = {}
    if arguments.experiment is not None:
        found["experiment"] = one_line(arguments.experiment)
    for word in arguments.tag:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"--tag {word!r} is not of the form KEY=VALUE, as in machine=polaris")
        if f"tag_{key}" in found:
            raise UserError(f"--tag {key!r} is given twice; give it once")
        found[f"tag_{key}"] = one_line(value)
    if empty := [name for name, value in found.items() if not value]:
        raise UserError(f"--{empty[0].replace('_', ' ', 1)}: give it a text")
    return found


def ambs_settings(arguments: argparse.Namespace) -> AMBSSettings | None:
    """Return the settings of ``ambs``; None for another searcher.

    Raises:
        UserError: A name is unknown.
    """
    from dh_project.search.searchers.settings import AMBSSettings

    if arguments.searcher != "ambs":
        return None
    if arguments.liar_strategy not in (None, "cl_min", "cl_mean", "cl_max"):
        raise UserError(
            f"--liar-strategy {arguments.liar_strategy}: valid: cl_min, cl_mean, cl_max (none is used)"
        )
    return AMBSSettings.checked(
        arguments.surrogate_model,
        arguments.acq_func,
        kappa=arguments.kappa,
        xi=arguments.xi,
        n_initial_points=arguments.n_initial_points,
        n_jobs=arguments.n_jobs,
    )


def limits(arguments: argparse.Namespace) -> Limits:
    """Return where the search ends.

    Raises:
        UserError: The number of trials is none.
    """
    from dh_project.search.limits import Limits

    if arguments.max_evals == 0 or arguments.max_evals < -1:
        raise UserError(f"--max-evals {arguments.max_evals}: give at least 1, or -1 for no limit")
    minutes, memory = arguments.eval_timeout_minutes, arguments.trial_memory
    return Limits(
        max_evals=None if arguments.max_evals == -1 else arguments.max_evals,
        timeout=arguments.timeout,
        **_deadline(arguments),
        trial_timeout=arguments.trial_timeout or (60 * minutes if minutes else None),
        trial_memory=int(memory * 2**30) if memory else None,
        max_retries=arguments.max_retries,
        max_failures=None if arguments.max_failures == -1 else arguments.max_failures,
    )


def _deadline(arguments: argparse.Namespace) -> dict[str, float]:
    """Return when the job ends, by the monotonic clock, and the margin before that."""
    import psutil

    from dh_project.search.limits import Limits

    walltime, margin = arguments.walltime, arguments.margin or Limits.margin
    if walltime is None:
        if arguments.margin is not None:
            raise UserError("--margin: it is a part of the job's time; give that too, with --walltime")
        return {}
    if margin >= walltime:
        raise UserError(
            f"--walltime {walltime:g} s: the margin of {margin:g} s leaves no time; give a shorter --margin"
        )
    age = max(0.0, time.time() - psutil.Process().create_time())
    if age >= walltime - margin:
        raise UserError(
            f"--walltime {walltime:g} s: no time is left: this command began {age:.1f} s ago, and the margin is "
            f"{margin:g} s"
        )
    return {"ends_at": time.monotonic() - age + walltime, "margin": margin}


def stopper(arguments: argparse.Namespace) -> Stopper | None:
    """Return the stopper.

    Raises:
        UserError: Its name or a setting is wrong.
    """
    if not arguments.stopper:
        return None
    from dh_project.common.key_values import parse_key_values
    from dh_project.search.stoppers import create_stopper

    if len(arguments.stopper) > 1:
        raise UserError("--stopper: given twice; one stopper judges a search")
    name, *settings = arguments.stopper[0]
    try:
        return create_stopper(name, parse_key_values(settings))
    except UserError as error:
        raise UserError(f"--stopper {name}: {error}") from None
