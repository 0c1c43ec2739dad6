import sys

import pytest
from searcher_contract import SearcherContract, done, mixed_problem  # noqa: F401 (a fixture)

from dh_project import HpProblem
from dh_project.errors import UserError
from dh_project.searchers.ambs import AMBS
from dh_project.searchers.random import RandomSearcher
from dh_project.searchers.settings import AMBSSettings


class TestAMBS(SearcherContract):
    def make(self, problem, seed):
        return AMBS(problem, seed, AMBSSettings())


def best_after(searcher, problem, count):
    ended = []
    for number in range(count):
        ended.append(done(number, searcher.propose(number, ended, [])))
    return max(trial.objective for trial in ended)


def test_it_finds_more_than_random_search(mixed_problem):  # noqa: F811
    seeds = range(4)
    ambs = [best_after(AMBS(mixed_problem, seed, AMBSSettings()), mixed_problem, 30) for seed in seeds]
    random = [best_after(RandomSearcher(mixed_problem, seed), mixed_problem, 30) for seed in seeds]
    assert sum(ambs) / len(ambs) > sum(random) / len(random)


@pytest.mark.parametrize("surrogate", ["ET", "RF", "GP", "DUMMY"])
@pytest.mark.parametrize("acquisition", ["UCB", "LCB", "EI", "PI", "gp_hedge", "UCBd"])
def test_every_surrogate_and_acquisition_that_is_offered_proposes(mixed_problem, surrogate, acquisition):  # noqa: F811
    searcher = AMBS(mixed_problem, 1, AMBSSettings.checked(surrogate, acquisition))
    ended = [done(number, mixed_problem.sample(number)) for number in range(12)]
    assert mixed_problem.check_configuration(searcher.propose(0, ended, []))


@pytest.mark.parametrize(
    ("surrogate", "acquisition", "said"),
    [
        ("RG", "UCB", "did you mean 'RF'"),
        ("GBRT", "UCB", "cannot build it"),
        ("ET", "UBC", "did you mean 'UCB"),
    ],
)
def test_unknown_names_are_refused_with_the_near_one(surrogate, acquisition, said):
    with pytest.raises(UserError, match=said):
        AMBSSettings.checked(surrogate, acquisition)


def test_a_space_that_deephyper_cannot_model_is_refused_at_once():
    problem = HpProblem()
    problem.add_dim("x", {"mu": 0.0, "sigma": 1.0, "lower": -3.0, "upper": 3.0})
    with pytest.raises(UserError, match="search with hps random"):
        AMBS(problem, 1, AMBSSettings())


def test_deephyper_is_imported_without_mpi4py(mixed_problem):  # noqa: F811
    AMBS(mixed_problem, 1, AMBSSettings())
    assert "mpi4py.MPI" not in sys.modules
