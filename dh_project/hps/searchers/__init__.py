"""Searchers propose points and learn from the results of trials. AMBS is DeepHyper's CBO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dh_project.common.errors import UserError, unknown
from dh_project.hps.searchers.settings import AMBSSettings

if TYPE_CHECKING:
    from dh_project.hps.searchers.base import Searcher
    from dh_project.problem import HpProblem

SEARCHERS = ("ambs", "random")


def check_searcher(name: str, settings: Mapping[str, Any]) -> AMBSSettings | None:
    """Check the name of a searcher and its settings.

    Returns:
        The settings of ``ambs``; None for another searcher.

    Raises:
        UserError: The searcher or a setting is unknown, or a value is out of range.
    """
    if name not in SEARCHERS:
        raise unknown("searcher", name, SEARCHERS)
    if name == "ambs":
        return AMBSSettings.checked(**settings)
    if settings:
        raise UserError(
            f"{next(iter(settings))}: random search has no model; leave the setting out, or search with ambs"
        )
    return None


def create_searcher(
    name: str, problem: HpProblem, seed: int, settings: Mapping[str, Any] | None = None
) -> Searcher:
    """Return a searcher.

    Args:
        name: ``ambs`` or ``random``.
        problem: The space.
        seed: Seed of the proposals.
        settings: Settings of ``ambs`` by name (:class:`AMBSSettings`).

    Raises:
        UserError: The searcher or a setting is unknown, or a value is out of range.

    Example:
        >>> from dh_project.problem import HpProblem
        >>> problem = HpProblem()
        >>> _ = problem.add_dim("x", (0.0, 1.0))
        >>> len(create_searcher("random", problem, seed=1).propose(0, 2, ended=[], pending=[]))
        2
    """
    checked = check_searcher(name, settings or {})
    if checked is not None:
        from dh_project.hps.searchers.ambs import AMBS

        return AMBS(problem, seed, checked)
    from dh_project.hps.searchers.random import RandomSearcher

    return RandomSearcher(problem, seed)
