import ConfigSpace as cs
import pytest

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.hps.searchers.cube import Cube
from dh_project.hps.warm_start import on_one_scale, read_source
from dh_project.trial.trial import State, Trial

OLD_FILE = """\
activation,lr,units,id,objective,elapsed_sec
relu,0.0030462747,66,10db0a10-dfc3-11eb-abab-acde48001122,0.9863986373,555.1
tanh,0.5,10,10db0a10-dfc3-11eb-abab-acde48001123,-3.4028234663852886e+38,12.5
tanh,7.5,10,10db0a10-dfc3-11eb-abab-acde48001124,0.5,13.5
"""

NEW_FILE = """\
p:units,p:activation,p:lr,objective,job_id,job_status,m:reason,m:test_mae
66,relu,0.003,0.25,0,DONE,,0.5
10,tanh,0.5,F_memory,1,MEMORY,too much,
"""


@pytest.fixture
def problem():
    problem = HpProblem()
    problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
    problem.add_dim("units", (1, 100))
    problem.add_dim("activation", ["relu", "tanh"])
    return problem


def source(tmp_path, text, problem):
    (tmp_path / "old.csv").write_text(text)
    return read_source(tmp_path / "old.csv", problem)


def test_an_old_file_with_failures_is_read(tmp_path, problem):
    known = source(tmp_path, OLD_FILE, problem)
    assert [objective for _, objective in known.results] == [0.9863986373, None]
    assert known.results[0][0] == {"activation": "relu", "lr": 0.0030462747, "units": 66}
    assert known.passed_over == 1  # its learning rate lies outside


def test_today_s_file_is_read_failures_too(tmp_path, problem):
    known = source(tmp_path, NEW_FILE, problem)
    assert [objective for _, objective in known.results] == [0.25, None]
    assert known.results[1][0] == {"activation": "tanh", "lr": 0.5, "units": 10}


def test_rows_of_a_space_with_conditions_are_read(tmp_path):
    problem = HpProblem()
    problem.add_dim("optimizer", ["sgd", "adam"])
    momentum = problem.add_hyperparameter((1, 9), "momentum")
    problem.add_condition(cs.EqualsCondition(momentum, problem.space["optimizer"], "sgd"))
    text = "p:optimizer,p:momentum,objective,job_id\nsgd,3,1.0,0\nadam,,2.0,1\nadam,nan,3.0,2\n"
    known = source(tmp_path, text, problem)
    assert [point for point, _ in known.results] == [
        {"momentum": 3, "optimizer": "sgd"},
        {"optimizer": "adam"},
        {"optimizer": "adam"},
    ]


def test_choices_are_known_by_their_text(tmp_path):
    problem = HpProblem()
    problem.add_dim("size", ["1", "2", "3"])
    problem.add_dim("norm", [None, "a", 3])
    known = source(tmp_path, "p:size,p:norm,objective,job_id\n1,,1.0,0\n2,3,2.0,1\n3,a,3.0,2\n", problem)
    assert [point["size"] for point, _ in known.results] == ["1", "2", "3"]
    assert [point["norm"] for point, _ in known.results] == [None, 3, "a"]


def test_a_huge_hyperparameter_is_outside_and_a_huge_objective_counts(tmp_path, problem):
    known = source(tmp_path, NEW_FILE + "1e30,relu,0.1,1.0,2,DONE,,\n50,relu,0.1,1e39,3,DONE,,\n", problem)
    assert (len(known.results), known.results[-1][1], known.passed_over) == (3, 1e39, 1)


def test_a_file_that_fresh_put_aside_is_named(tmp_path, problem):
    (tmp_path / "earlier-1").mkdir()
    (tmp_path / "earlier-1" / "results.csv").write_text(NEW_FILE)
    with pytest.raises(UserError, match=r"--warm-start .*earlier-1"):
        read_source(tmp_path / "results.csv", problem)


def test_a_hyperparameter_that_is_gone_is_left_out(tmp_path, problem):
    assert len(source(tmp_path, NEW_FILE.replace("m:test_mae", "p:dropout"), problem).results) == 2


def test_a_file_of_another_space_is_refused(tmp_path, problem):
    with pytest.raises(UserError, match="none of its 2 trials lies in this problem's space"):
        source(tmp_path, NEW_FILE.replace("p:units", "p:layers"), problem)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "objective,units\n"])
def test_what_is_no_results_file_is_refused(tmp_path, problem, text):
    with pytest.raises(UserError, match=r"old\.csv"):
        source(tmp_path, text, problem)


def trials(problem, function, count, first=0):
    points = [problem.sample(first + number) for number in range(count)]
    return [Trial(n, p, "any", 1, State.DONE, function(p["units"])) for n, p in enumerate(points)]


def test_objectives_of_another_scale_are_brought_to_this_one(problem):
    known = trials(problem, lambda units: -abs(units - 30.0), 300)
    own = trials(problem, lambda units: 7.0 - 10 * abs(units - 30.0), 20, first=1000)
    told = on_one_scale(Cube(problem), known, own)
    right = [7.0 + 10 * trial.objective for trial in known]
    assert max(abs(t.objective - r) for t, r in zip(told, right, strict=True)) < 60.0  # of a range of 700


def test_a_search_that_found_the_opposite_is_not_told(problem):
    known = [*trials(problem, float, 100), Trial(-1, problem.sample(1), "any", state=State.FAILED)]
    own = trials(problem, lambda units: -float(units), 20, first=1000)
    assert on_one_scale(Cube(problem), known, own) == known[-1:]


def test_few_results_of_one_s_own_change_nothing(problem):
    known = trials(problem, float, 10)
    assert on_one_scale(Cube(problem), known, trials(problem, float, 4, first=50)) == known


def test_from_the_fifth_result_of_one_s_own_on_a_line_is_drawn(problem):
    known = trials(problem, float, 10)
    assert on_one_scale(Cube(problem), known, trials(problem, float, 5, first=50)) != known


def test_a_search_that_tells_no_difference_is_shifted_to_this_one_s_scale(problem):
    known = trials(problem, lambda units: 3.0, 10)
    told = on_one_scale(Cube(problem), known, trials(problem, lambda units: 8.0, 6, first=50))
    assert [trial.objective for trial in told] == [8.0] * 10


def test_an_empty_cell_is_the_only_choice_that_looks_empty(tmp_path):
    problem = HpProblem()
    problem.add_dim("fill", ["nan", "zero"])
    known = source(tmp_path, "p:fill,objective,job_id\nnan,1.0,0\nzero,2.0,1\n", problem)
    assert [point["fill"] for point, _ in known.results] == ["nan", "zero"]
