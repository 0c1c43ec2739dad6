import numpy as np
import pytest

from dh_project import HpProblem
from dh_project.hps.searchers.cube import INACTIVE, Cube, distances
from dh_project.testing.searcher import conditional_problem, mixed_problem

PROBLEMS = pytest.mark.parametrize("problem", [mixed_problem(), conditional_problem()])


@PROBLEMS
def test_rows_are_those_of_the_problem(problem):
    points = [problem.sample(number) for number in range(20)]
    expected = np.nan_to_num([problem.vector(point) for point in points], nan=INACTIVE)
    np.testing.assert_array_equal(Cube(problem).vectors(points), expected)


@PROBLEMS
def test_points_come_back_from_rows_and_from_features(problem):
    cube, points = Cube(problem), [problem.sample(number) for number in range(20)]
    rows = cube.vectors(points)
    assert [list(cube.point(row)) for row in rows] == [list(point) for point in points]
    back = [cube.point(cube.vector(features)) for features in cube.features(rows)]
    np.testing.assert_allclose(cube.vectors(back), rows, atol=1e-12)


@PROBLEMS
def test_features_lie_between_0_and_1(problem):
    cube = Cube(problem)
    features = cube.features(cube.sample(50, 0))
    assert features.shape == (50, cube.width)
    assert features.min() >= 0
    assert features.max() <= 1


def test_a_logarithmic_range_is_even_to_the_model():
    problem = HpProblem()
    problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
    cube = Cube(problem)
    features = cube.features(cube.vectors([{"lr": lr} for lr in (1e-4, 1e-2, 1.0)]))
    np.testing.assert_allclose(features[:, 0], [0, 0.5, 1])


def test_a_choice_is_one_feature_each_and_an_order_is_one_in_all():
    problem = HpProblem()
    problem.add_dim("choice", ["a", "b", "c"])
    problem.add_dim("order", [8, 12, 16])
    problem.add_dim("constant", 7)
    cube = Cube(problem)
    row = cube.vectors([{"choice": "b", "constant": 7, "order": 12}])
    assert cube.features(row).tolist() == [[0.0, 1.0, 0.0, 0.5]]


@PROBLEMS
def test_neighbours_lie_in_the_space_and_mostly_near(problem):
    cube = Cube(problem)
    parents = cube.sample(3, 0)
    rows = cube.around(parents, 200, 0)
    np.testing.assert_allclose(cube.vectors([cube.point(row) for row in rows]), rows, atol=1e-12)
    assert np.median(distances(rows, parents)) < np.median(distances(cube.sample(200, 1), parents))


def test_the_distance_is_the_largest_difference_and_1_for_what_one_of_two_lacks():
    rows = np.array([[0.2, 0.5], [0.2, INACTIVE]])
    assert distances(rows, np.array([[0.3, 0.9]])).tolist() == pytest.approx([0.4, 1.9])
    assert distances(rows, rows).tolist() == [0, 0]
    assert np.isinf(distances(rows, rows[:0])).all()
