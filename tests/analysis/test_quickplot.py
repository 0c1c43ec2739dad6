"""Pictures of searches and trainings, and their content."""

from pathlib import Path

import pytest

from dh_project.analysis.plot_data import read_tables
from dh_project.analysis.quickplot import _Axis, quickplot
from dh_project.cli.analytics import main
from dh_project.cli.main import main as deephyper

HEADER = "p:lr,p:optim,objective,job_id,job_status,m:timestamp_submit,m:timestamp_gather,m:reason,m:val_mae\n"
TODAY = f"""\
{HEADER}0.1,SGD,-0.5,0,DONE,0.0,10.5,,0.5
0.001,Adam,-0.25,1,DONE,0.0,20.5,,0.25
0.01,Adam,F_exception,2,FAILED,10.5,30.5,ValueError,
0.02,SGD,-0.3,3,DONE,20.5,40.5,,0.3
"""
OLD = "activation,lr,units,id,objective,elapsed_sec\nrelu,0.003,66,10db0a10,0.98,555.1\ntanh,0.1,6,1,-3.5e38,9.5\n"
REPORTS = "step,objective\n1,0.25\n2,0.5\n"
HISTORY = "epoch,train_loss,val_mae,lr,seconds\n1,0.5,0.9,0.01,1.5\n2,0.25,0.7,0.01,1.5\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "search/results.csv": TODAY,
        "old/results.csv": OLD,
        "run/reports.csv": REPORTS,
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    for trial in ("0001", "0002"):
        (tmp_path / trial / "attempt-1").mkdir(parents=True)
        (tmp_path / trial / "attempt-1/history.csv").write_text(HISTORY)
    return tmp_path


def texts(svg):
    """Return the texts of a picture. Its SVG has each text as a comment before the outlines."""
    lines = [line.strip() for line in svg.read_text().splitlines()]
    return [line[5:-4] for line in lines if line.startswith("<!-- ")]


def marks(svg, colour):
    """Return how many markers of a colour a picture has."""
    return sum("<use " in line and f": {colour}" in line for line in svg.read_text().splitlines())


def drawn(*words):
    """Draw into an SVG, and return its path and its words."""
    assert main(["quickplot", *words, "-o", "out.svg"]) == 0
    return Path("out.svg"), texts(Path("out.svg"))


def refused(capsys, *words):
    """Return the one line that a command is refused by."""
    assert main(["quickplot", *words]) == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.splitlines()
    return line


def test_without_options_the_objective_over_time_is_beside_the_results(here, capsys):
    assert main(["quickplot", "search/results.csv"]) == 0
    assert (here / "search/quickplot.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.split("\n") == [
        "wrote     search/quickplot.png",
        "          search: 4 trials, 1 failed",
        "",
    ]


def test_a_picture_says_what_it_is_of(here):
    _, words = drawn("search/results.csv")
    assert {"elapsed time (s)", "trial", "best so far", "failed"} <= set(words)
    assert "search: 4 trials, 1 failed, best objective -0.25" in words


def test_the_objective_is_named_by_the_fact_that_it_is_the_negative_of(here):
    assert "objective (−val_mae)" in drawn("search")[1]
    (here / "search/results.csv").write_text(TODAY.replace("0.3\n", "0.4\n"))
    assert "objective" in drawn("search")[1]


def test_every_trial_is_a_mark_and_a_failed_one_a_cross(here):
    picture, _ = drawn("search/results.csv")
    assert marks(picture, "#1f77b4") == 3 + 1  # the legend has one, too
    assert marks(picture, "#b22222") == 1 + 1


def test_a_failed_trial_with_an_objective_is_a_cross_at_its_position(here):
    _, words = drawn("search", "--xy", "lr", "timestamp_submit")
    assert "failed" in words
    assert "best so far" not in words


def test_files_of_old_deephyper_are_read_and_their_failures_known(here, capsys):
    assert main(["quickplot", "old/results.csv"]) == 0
    assert "2 trials, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "xy", [("lr", "objective"), ("p:lr", "objective"), ("optim", "val_mae"), ("lr", "optim")]
)
def test_any_two_columns_are_drawn_by_their_short_names_too(here, xy):
    _, words = drawn("search", "--xy", *xy)
    assert xy[0].removeprefix("p:") in words


SEARCH_OF_RUNS = """\
import dh_project as dh

Problem = dh.HpProblem()
Problem.add_dim("lr", (0.001, 1.0))
Problem.add_dim("size", (1.0, 9.0, "log-uniform"))
Problem.add_starting_point(lr=0.001, size=2.0)
Problem.add_starting_point(lr=0.9, size=8.0)

def run(point):
    for step in range(1, 4):
        dh.report(step, point["lr"] * step)
    return 3 * point["lr"]
"""


def test_the_reports_of_a_trial_are_a_learning_curve_and_axes_are_those_of_the_space(here, capsys):
    (here / "mine.py").write_text(SEARCH_OF_RUNS)
    words = [
        "random",
        "--evaluator",
        "process",
        "--num-workers",
        "1",
        "--max-evals",
        "2",
        "--log-dir",
        "mine",
    ]
    assert deephyper(["hps", *words, "--problem", "mine.py", "--run", "mine.py"]) == 0
    _, words = drawn("mine:0", "mine:best")
    assert {"step", "objective", "mine trial 0", "mine trial 1"} <= set(words)
    assert [row["objective"] for row in read_tables([Path("mine:0")])[0].rows] == [0.001, 0.002, 0.003]
    assert read_tables([Path("mine")])[0].log == {"lr": False, "size": True}
    capsys.readouterr()
    assert "has no trial '7'" in refused(capsys, "mine:7")


def test_points_of_a_choice_are_spread(here):
    axis = _Axis(["SGD", "Adam", "SGD"])
    places = [axis(cell) for cell in ["SGD"] * 20 + ["Adam"] * 20]
    assert len(set(places)) == 40
    assert all(abs(place - 1) <= 0.2 for place in places[:20])
    assert all(abs(place) <= 0.2 for place in places[20:])


def test_choices_are_categories_on_an_axis(here):
    _, words = drawn("search", "--xy", "optim", "objective")
    assert {"Adam", "SGD"} <= set(words)


def test_rows_that_lack_a_column_are_counted(here, capsys):
    (here / "search/results.csv").write_text(TODAY + "0.1,SGD,-0.5,4,DONE,0.0,50.5,,\n")
    main(["quickplot", "search", "--xy", "val_mae", "objective"])
    assert "search: 5 trials, 1 failed, 2 not drawn (no val_mae or objective)" in capsys.readouterr().out


def test_a_search_that_found_terrible_points_shows_the_others_and_marks_those(here):
    rows = [f"0.1,SGD,{-0.3 - 0.01 * number},{number},DONE,0,{number},,\n" for number in range(8)]
    (here / "search/results.csv").write_text(HEADER + "".join(rows) + "1,SGD,-5e9,8,DONE,0,8,,\n")
    _, words = drawn("search")
    assert "further below" in words


def test_several_searches_lie_over_each_other_by_name(here):
    _, words = drawn("search/results.csv", "old/results.csv")
    assert {"search", "old", "failed, search", "failed, old"} <= set(words)


def test_names_are_shown_as_they_are(here):
    for name in ("_first", "a $half"):
        (here / f"{name}.csv").write_text(TODAY.replace("Adam", "$\\frac$ and $"))
    _, words = drawn("_first.csv", "a $half.csv", "--xy", "optim", "objective")
    assert {"_first", "a $half", r"$\frac$ and $"} <= {word.strip() for word in words}


def test_learning_curves_are_drawn_by_what_was_validated(here, capsys):
    _, words = drawn("0001/attempt-1/history.csv", "0002/attempt-1/history.csv")
    assert {"epoch", "val_mae", "0001", "0002"} <= set(words)
    assert {"step", "objective", "run"} <= set(drawn("run")[1])


def test_a_file_named_twice_is_drawn_once(here, capsys):
    main(["quickplot", "run", "run/reports.csv"])
    assert capsys.readouterr().out.count("2 epochs") == 1


def test_many_curves_have_their_names_below(here):
    for number in range(12):
        (here / f"c{number}.csv").write_text(REPORTS)
    _, words = drawn(*(f"c{number}.csv" for number in range(12)))
    assert {f"c{number}" for number in range(12)} <= set(words)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "jpg", "webp"])
def test_every_ending_that_the_help_names_is_written(here, ending):
    quickplot([here / "search"], output=here / f"out.{ending}")
    assert (here / f"out.{ending}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.csv"], "gone.csv: there is no such file"),
        (["gone"], "gone: there is no such file"),
        (["notes.txt"], "notes.txt: results are read from a .csv file"),
        (["table.csv"], "table.csv: not a results file: it has no column 'objective'"),
        (["nothing.csv"], "nothing.csv: not a results file"),
        (["binary.csv"], "binary.csv: not a results file"),
        (["begun.csv"], "begun.csv: no trial has ended yet"),
        (["steps.csv"], "steps.csv: no epoch has ended yet"),
        (["failed.csv"], "failed.csv: nothing to draw, all 1 trials failed"),
        (["."], ".: a folder without results.csv, reports.csv or history.csv"),
        (
            ["search", "run"],
            "a search's results and run/reports.csv is a learning curve; draw them one after",
        ),
        (
            ["search", "--xy", "lr", "val_ma"],
            "unknown column 'val_ma' (did you mean 'val_mae'?); valid: lr, optim",
        ),
        (["search", "--xy", "elapsed", "lr"], "unknown column 'elapsed' (did you mean 'elapsed_sec'?)"),
        (["search", "old", "--xy", "lr", "units"], "search/results.csv: unknown column 'units'"),
        (["old", "--xy", "empty", "lr"], "unknown column 'empty'"),
        (["search", "-o", "out.xls"], "-o out.xls: cannot write .xls; end it in .png, .svg"),
        (["search", "-o", "out"], "-o out: cannot write a file without ending"),
        (["search", "-o", "no/out.png"], "-o no/out.png: there is no folder no"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_no_file(here, capsys, words, said):
    (here / "notes.txt").write_text("notes")
    (here / "table.csv").write_text("a,b\n1,2\n")
    (here / "nothing.csv").touch()
    (here / "binary.csv").write_bytes(bytes(range(256)))
    (here / "begun.csv").write_text(HEADER)
    (here / "steps.csv").write_text("step,objective\n")
    (here / "failed.csv").write_text(HEADER + "0.1,SGD,F_exit,0,FAILED,0,1,,\n")
    before = set(here.rglob("*"))
    assert said in refused(capsys, *words)
    assert set(here.rglob("*")) == before


def test_nothing_to_draw_is_said_of_empty_columns(here, capsys):
    (here / "search/results.csv").write_text(HEADER + "0.1,SGD,-0.5,0,DONE,0.0,10.5,,\n")
    assert "nothing has both reason and objective" in refused(capsys, "search", "--xy", "reason", "objective")
