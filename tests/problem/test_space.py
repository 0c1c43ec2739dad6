import ConfigSpace as cs
import pytest

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.user_code.problems import load_problem

TUTORIAL = """\
Configuration space object:
  Hyperparameters:
    activation, Type: Categorical, Choices: {identity, relu, sigmoid, tanh}, Default: identity
    lr, Type: UniformFloat, Range: [0.0001, 1.0], Default: 0.50005
    units, Type: UniformInteger, Range: [1, 100], Default: 50

  Starting Point:
{0: {'activation': 'identity', 'lr': 0.01, 'units': 10}}
"""


@pytest.fixture
def problem() -> HpProblem:
    problem = HpProblem()
    problem.add_dim("units", (1, 100))
    problem.add_dim("activation", ["identity", "relu", "sigmoid", "tanh"])
    problem.add_hyperparameter((0.0001, 1.0), "lr")
    return problem


def test_it_prints_as_in_the_tutorial(problem):
    problem.add_starting_point(units=10, activation="identity", lr=0.01)
    assert str(problem) == TUTORIAL


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ((1, 9), cs.UniformIntegerHyperparameter),
        ((1, 9.0), cs.UniformFloatHyperparameter),
        ((1e-4, 1.0, "log-uniform"), cs.UniformFloatHyperparameter),
        (["a", "b"], cs.CategoricalHyperparameter),
        ([True, False], cs.CategoricalHyperparameter),
        ([8, 16], cs.OrdinalHyperparameter),
        ({"mu": 0.0, "sigma": 1.0, "lower": -3.0, "upper": 3.0}, cs.NormalFloatHyperparameter),
        (5, cs.Constant),
    ],
)
def test_short_forms(value, kind):
    assert isinstance(HpProblem().add_hyperparameter(value, "h"), kind)


@pytest.mark.parametrize(
    "value", [(), [], (1, 2, 3, 4), (9, 1), ("a", "b"), {"low": 1}, [(1, 2)], None, (0.0, 1.0, "log-uniform")]
)
def test_what_is_no_range_is_refused_by_name(value):
    with pytest.raises(UserError, match="'h'"):
        HpProblem().add_hyperparameter(value, "h")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"upper": None}, "a normal distribution has bounds; add upper"),
        ({"log": True}, "a normal distribution has mu, sigma, lower and upper; not log"),
        ({"sigma": "1"}, "sigma is not a number"),
        ({"sigma": 0.0}, "sigma is not above 0"),
    ],
)
def test_what_is_wrong_with_a_normal_distribution_is_said(changes, said):
    parts = {"mu": 0.0, "sigma": 1.0, "lower": -3.0, "upper": 3.0} | changes
    value = {name: part for name, part in parts.items() if part is not None}
    with pytest.raises(UserError, match=said):
        HpProblem().add_hyperparameter(value, "h")


def test_a_name_is_needed_free_and_not_reserved(problem):
    for name in (None, "units", "objective", "m:x"):
        with pytest.raises(UserError):
            problem.add_hyperparameter((0, 1), name)


def test_a_starting_point_gets_plain_types_in_the_space_s_order(problem):
    problem.add_starting_point(units=10.0, lr=1, activation="relu")
    assert problem.starting_point_asdict == [{"activation": "relu", "lr": 1.0, "units": 10}]
    assert isinstance(problem.starting_points[0]["units"], int)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({"units": 10, "lr": 0.1}, "lacks activation"),
        ({"units": 1000, "lr": 0.1, "activation": "relu"}, "units=1000 lies outside"),
        ({"unit": 10, "lr": 0.1, "activation": "relu"}, "did you mean 'units'"),
        ({"units": 10.5, "lr": 0.1, "activation": "relu"}, "units=10.5 lies outside"),
    ],
)
def test_a_point_outside_the_space_is_refused(problem, point, said):
    with pytest.raises(UserError, match=f"starting point 0: .*{said}"):
        problem.add_starting_point(**point)


def test_equal_seeds_give_equal_samples(problem):
    assert problem.sample(7) == problem.sample(7) != problem.sample(8)


def test_inactive_hyperparameters_stay_out_of_points(problem):
    dropout = problem.add_hyperparameter((0.0, 0.5), "dropout")
    problem.add_condition(cs.EqualsCondition(dropout, problem.space["activation"], "relu"))
    samples = [problem.sample(seed) for seed in range(20)]
    assert {("dropout" in point) == (point["activation"] == "relu") for point in samples} == {True}
    assert "dropout" not in problem.checked({"units": 1, "lr": 0.1, "activation": "tanh", "dropout": 0.1})


def test_json_brings_the_same_problem_back(problem):
    problem.add_starting_point(units=10, activation="identity", lr=0.01)
    assert str(HpProblem.from_json(problem.to_json())) == str(problem)


def test_a_problem_of_today_s_deephyper_is_taken(tmp_path):
    (tmp_path / "today.py").write_text(
        "import ConfigSpace\nclass P:\n    space = ConfigSpace.ConfigurationSpace({'x': (0.0, 1.0)})\nProblem = P()\n"
    )
    assert load_problem(str(tmp_path / "today.py")).hyperparameter_names == ["x"]


def test_what_is_no_problem_or_an_empty_one_is_refused(tmp_path):
    (tmp_path / "no_problem.py").write_text("Problem = 3\n")
    (tmp_path / "empty_problem.py").write_text("from dh_project import HpProblem\nProblem = HpProblem()\n")
    with pytest.raises(UserError, match="not an HpProblem"):
        load_problem(str(tmp_path / "no_problem.py"))
    with pytest.raises(UserError, match="no hyperparameter"):
        load_problem(str(tmp_path / "empty_problem.py"))
