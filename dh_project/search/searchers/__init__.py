"""Searchers: they propose points and learn from trials. AMBS is DeepHyper's CBO; others stand beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dh_project.search.searchers.settings import AMBSSettings

if TYPE_CHECKING:
    from dh_project.problem import HpProblem
    from dh_project.search.searchers.base import Searcher

SEARCHERS = ("ambs", "random")


def create_searcher(
    name: str, problem: HpProblem, seed: int, settings: AMBSSettings | None = None
) -> Searcher:
    """Return a searcher; ``settings`` are those of ``ambs``."""
    if name == "ambs":
        from dh_project.search.searchers.ambs import AMBS

        return AMBS(problem, seed, settings or AMBSSettings())
    from dh_project.search.searchers.random import RandomSearcher

    return RandomSearcher(problem, seed)
