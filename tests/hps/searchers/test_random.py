from dh_project.hps.searchers.random import RandomSearcher
from dh_project.testing.searcher import SearcherContract, history, mixed_problem


class TestRandomSearcher(SearcherContract):
    def make(self, problem, seed):
        return RandomSearcher(problem, seed)


def test_a_random_point_belongs_to_its_number_alone():
    searcher = RandomSearcher(mixed_problem(), 1)
    one_by_one = [searcher.propose(number, 1, [], [])[0] for number in range(4)]
    assert searcher.propose(0, 4, history(mixed_problem(), 5), []) == one_by_one
