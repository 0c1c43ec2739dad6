"""The common part of all searchers: candidates near others are left out, and free points replace them."""

import pytest

from dh_project import HpProblem
from dh_project.hps.searchers.base import TOO_NEAR, Searcher
from dh_project.testing.searcher import running


class Fixed(Searcher):
    """Proposes the same points again and again."""

    name = "fixed"
    points = ()

    def candidates(self, number, count, ended, pending):
        return [{"x": x} for x in self.points]


@pytest.fixture
def searcher():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    return Fixed(problem, 1)


def proposed(searcher, count, *pending):
    return [point["x"] for point in searcher.propose(0, count, [], running([{"x": x} for x in pending]))]


def test_candidates_are_taken_in_their_order(searcher):
    searcher.points = (0.5, 0.1, 0.9)
    assert proposed(searcher, 2) == [0.5, 0.1]


@pytest.mark.parametrize(("distance", "is_taken"), [(0.9 * TOO_NEAR, False), (1.1 * TOO_NEAR, True)])
def test_a_candidate_that_is_near_to_a_pending_point_is_left_out(searcher, distance, is_taken):
    searcher.points = (0.5, 0.1)
    assert (proposed(searcher, 1, 0.5 + distance) == [0.5]) == is_taken


def test_a_candidate_that_is_near_to_an_earlier_one_is_left_out(searcher):
    searcher.points = (0.5, 0.5 + 0.9 * TOO_NEAR, 0.1)
    assert proposed(searcher, 2) == [0.5, 0.1]


def test_if_all_candidates_are_taken_the_nearest_free_points_are_proposed(searcher):
    searcher.points = (0.5,)
    points = proposed(searcher, 2, 0.5)
    assert all(TOO_NEAR <= abs(x - 0.5) < 4 * TOO_NEAR for x in points)
    assert abs(points[0] - points[1]) >= TOO_NEAR


def test_if_nothing_is_free_the_farthest_points_are_proposed(searcher):
    searcher.points = (0.5,)
    pending = [n * TOO_NEAR for n in range(101) if n not in (30, 31)]  # from 0.29 to 0.32 there is a gap
    assert proposed(searcher, 1, *pending)[0] == pytest.approx(0.305, abs=0.01)
