"""A search does not write into a folder whose results are not its own."""

import pytest

import dh_project as dh

QUICK = {"searcher": "random", "evaluator": "process", "num_workers": 1, "max_evals": 1, "progress": False}


@pytest.fixture
def problem():
    problem = dh.HpProblem()
    problem.add_dim("x", (-10.0, 10.0))
    return problem


def run_function(point):
    return point["x"]


def content_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["results.csv", "trials/mine.txt", "a link to nothing", "an empty journal beside"])
def foreign(request, tmp_path):
    """A folder with another program's files."""
    if request.param == "a link to nothing":
        (tmp_path / "results.csv").symlink_to("missing")
        return tmp_path
    name = request.param if "/" in request.param else "results.csv"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("run,accuracy\n1,0.5\n")
    if request.param == "an empty journal beside":
        (tmp_path / "journal.jsonl").touch()
    return tmp_path


def test_a_folder_with_results_and_no_journal_is_refused_and_left_as_it_is(problem, foreign):
    before = content_of(foreign)
    with pytest.raises(
        dh.UserError, match=r"holds (results.csv|trials) but no journal.jsonl, .* fresh to put them"
    ):
        dh.search(problem, run_function, folder=foreign, **QUICK)
    assert content_of(foreign) == before


def test_fresh_puts_foreign_files_aside(problem, tmp_path):
    (tmp_path / "results.csv").write_text("mine\n")
    found = dh.search(problem, run_function, folder=tmp_path, fresh=True, **QUICK)
    assert len(found.trials) == 1
    assert (tmp_path / "earlier-1" / "results.csv").read_text() == "mine\n"


def test_a_run_function_keeps_its_own_result_json(problem, tmp_path):
    def run(point):
        (dh.trial_folder() / "result.json").write_text("mine")
        return 1.0

    [trial] = dh.search(problem, run, folder=tmp_path, **QUICK).trials
    assert (trial.folder / "result.json").read_text() == "mine"
    assert {path.name for path in trial.folder.iterdir()} == {"result.json", "dh-result.json", "log.txt"}
