"""A session of a search with one hyperparameter, whose evaluator plays a script."""

from dh_project import HpProblem
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.proposals import Proposals
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.results.identity import Identity
from dh_project.results.paths import SearchPaths


def scripted_search(
    folder,
    evaluator,
    *,
    kind=RandomSearcher,
    first=(),
    seed=1,
    observer=None,
    stopper=None,
    sources=(),
    **limits,
):
    """Return a session of one search in a folder.

    Args:
        folder: The folder.
        evaluator: A ``ScriptedEvaluator``, whose clock is that of the search.
        kind: Class of the searcher.
        first: Values of ``x`` of the starting points.
        seed: Seed of the identity.
        observer: The observer; None for one that does nothing.
        stopper: The stopper.
        sources: Results of other searches.
        **limits: Arguments of ``Limits``.
    """
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    for x in first:
        problem.add_starting_point(x=x)
    searcher = kind(problem, 1)
    return Search(
        SearchPaths(folder),
        Identity("problem", problem.to_json(), "run", {}, seed),
        problem,
        searcher,
        evaluator,
        Limits(**limits),
        observer or Observer(),
        stopper,
        sources,
        proposals=Proposals(searcher, evaluator.num_workers, evaluator.clock),
        clock=evaluator.clock,
    )
