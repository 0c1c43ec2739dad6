"""A point keeps its values and their types from the problem to the journal, results.csv, best.json and a rerun."""

import csv
import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import write_journal

from dh_project import HpProblem
from dh_project.cli import analytics
from dh_project.common.yaml_core import load_yaml
from dh_project.hps.searchers.cube import Cube
from dh_project.hps.warm_start import read_source
from dh_project.results import records
from dh_project.results.csv_file import ResultsFile
from dh_project.results.history import History
from dh_project.results.identity import Identity
from dh_project.results.paths import SearchPaths
from dh_project.results.reading import read_results
from dh_project.results.reruns import best_configuration
from dh_project.trial.events import Ended
from dh_project.trial.trial import State, Trial

AWKWARD = [
    None,
    True,
    False,
    "01",
    "1.10",
    "1",
    "1e3",
    "0x1F",
    "1_000",
    "12:30",
    "None",
    "nan",
    "NaN",
    "True",
    "yes",
    "",
]
AWKWARD += [
    "a\rb",
    "a\nb",
    "a\r\nb",
    'say "x"',
    "a,b",
    "a;b",
    " padded ",
    "é✓中",
    "\u2028",
    "\x85",
    "\x0b",
    "#",
    "'",
    "-",
    "=1+1",
]
AWKWARD += [
    2,
    10**15,
    2**70,
    -3,
    0.1,
    1e-300,
    1e300,
    1 / 3,
    5e-324,
    [1, 2],
    [64],
    [],
    ["01", None],
    [[1.5], [True]],
]

CHOICES = st.lists(st.sampled_from(range(len(AWKWARD))), min_size=1, max_size=5, unique=True).map(
    lambda chosen: [AWKWARD[index] for index in chosen]
)
TEXTS = st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True)
FLOATS = st.sampled_from(
    [
        (0.0, 1 / 3),
        (6e-14, 1e-8, "log-uniform"),
        (1e-15, 1e-2, "log-uniform"),
        (-1e300, 1e300),
        (1e-320, 1e-310),
        (2, 2.5),
    ]
)
INTEGERS = st.sampled_from([(0, 1), (-7, 2**53 - 7), (1, 2**53, "log-uniform"), (0, 2**52)])
VALUES = st.one_of(CHOICES, TEXTS, FLOATS, INTEGERS)
NAMES = st.sampled_from(["lr", "x y", "größe", "a,b", "p:x", "objective2", "'q'", "rerun2"])
SPACES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


def typed(value):
    """Return a value with its type, also inside of lists."""
    return [type(value).__name__, [typed(each) for each in value] if isinstance(value, list) else repr(value)]


def shown(point):
    return {name: typed(value) for name, value in point.items()}


def search_with(folder, problem, points):
    """Write the journal and the results of a search in which each point was evaluated; the first is the best."""
    identity = Identity("p.Problem", problem.to_json(), "p.run", {}, 42)
    ended = [Ended(n, 1, State.DONE, -float(n), facts={"seed": 7, "note": "01"}) for n in range(len(points))]
    lines = [records.search(identity), records.session(0.0, {})]
    for number, point in enumerate(points):
        lines.append(records.start(number + 0.25, Trial(number, point, "random"), 1))
        lines.append(records.end(number + 0.5, ended[number], State.DONE, False))
    paths = SearchPaths(folder)
    write_journal(paths.journal, lines)
    history = History.read(folder)
    ResultsFile(paths.results, problem.hyperparameter_names).write(history.ended)
    return history


@given(SPACES, st.integers(0, 10**6))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_point_keeps_its_values_and_types_all_the_way_round(tmp_path_factory, capsys, space, seed):
    problem, folder = HpProblem(), tmp_path_factory.mktemp("search")
    for name, value in space.items():
        problem.add_dim(name, value)
    points = [problem.sample(seed + number) for number in range(3)]
    for name, dimension in problem.space.items():  # both bounds, too
        if hasattr(dimension, "lower"):
            points[0][name], points[1][name] = dimension.lower, dimension.upper
    points = [problem.checked(point) for point in points]
    history = search_with(folder, problem, points)

    # the journal, and a searcher that learns from it
    assert [shown(trial.point) for trial in history.trials.values()] == list(map(shown, points))
    again = HpProblem.from_json(json.loads(json.dumps(problem.to_json())))
    assert [shown(again.checked(trial.point)) for trial in history.trials.values()] == list(
        map(shown, points)
    )
    assert Cube(again).vectors([trial.point for trial in history.trials.values()]).shape == (3, len(space))

    # results.csv: as many rows as trials, and the types of the journal
    results = folder / "results.csv"
    with results.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["job_id"] for row in rows] == ["0", "1", "2"]
    assert [shown(result.point) for result in read_results(results)] == list(map(shown, points))
    assert shown(read_results(results)[0].facts) | {"seed": ["int", "7"], "note": ["str", "'01'"]} == shown(
        read_results(results)[0].facts
    )

    # topk, and best.json for a rerun
    assert analytics.main(["topk", str(results), "-k", "1"]) == 0
    text = capsys.readouterr().out
    for load in (yaml.safe_load, load_yaml):
        entry = load(text)["0"]
        assert shown({name: entry[name] for name in points[0]}) == shown(points[0])
    assert analytics.main(["topk", str(results), "-o", str(folder / "best.json")]) == 0
    for source in (folder / "best.json", results):
        assert shown(best_configuration(source).point) == shown(points[0])

    # another search that learns from this one
    source = read_source(results, problem)
    assert [shown(point) for point, _ in source.results] == list(map(shown, points))


@pytest.mark.parametrize("cell", ["0,123", "12 meV", "1.5 eV/atom", "1_000", "--", "ok"])
def test_an_objective_that_is_not_a_number_is_refused_with_its_row_and_column(tmp_path, cell):
    path = tmp_path / "results.csv"
    path.write_text(f'p:x,objective,job_id\n0.1,1.0,0\n0.2,"{cell}",1\n0.3,F_failed,2\n')
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    for read in (read_results, lambda path: read_source(path, problem)):
        with pytest.raises(Exception, match=r"results\.csv, row 3, column objective: .* is not a number"):
            read(path)


@pytest.mark.parametrize("cell", ["0,2", "0.2 eV"])
def test_a_hyperparameter_that_is_not_a_number_is_refused_with_its_row_and_column(tmp_path, cell):
    path = tmp_path / "foreign.csv"
    path.write_text(f'p:x,objective,job_id\n0.1,1.0,0\n"{cell}",2.0,1\n')
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    with pytest.raises(Exception, match=r"foreign\.csv, row 3, column p:x: .* is not a number"):
        read_source(path, problem)


def test_a_huge_objective_is_the_best_for_topk_too(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("p:x,objective,job_id\n0.1,1e39,0\n0.2,1.0,1\n0.3,-1e39,2\n")
    assert [result.objective for result in read_results(path)] == [1e39, 1.0, -1e39]


def test_a_column_of_a_foreign_file_has_one_type(tmp_path):
    path = tmp_path / "foreign.csv"
    path.write_text("p:mesh,p:n,p:lr,p:flag,objective,job_id\n01,1,1,True,2.0,0\n10,2,0.5,False,1.0,1\n")
    assert read_results(path)[0].point == {"mesh": "01", "n": 1, "lr": 1.0, "flag": True}
