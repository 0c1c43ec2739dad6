from searcher_contract import SearcherContract, mixed_problem  # noqa: F401 (a fixture)

from dh_project.searchers.random import RandomSearcher


class TestRandomSearcher(SearcherContract):
    def make(self, problem, seed):
        return RandomSearcher(problem, seed)
