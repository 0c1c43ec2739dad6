import csv

import pytest

from dh_project.common.errors import UserError
from dh_project.results.csv_file import ResultsFile
from dh_project.results.paths import SearchPaths
from dh_project.results.reading import read_results
from dh_project.results.reruns import best_configuration
from dh_project.trial.trial import State, Trial

OLD_FILE = """\
activation,lr,units,id,objective,elapsed_sec
relu,0.0030462747,66,10db0a10-dfc3-11eb-abab-acde48001122,0.9863986373,555.1225059032
tanh,0.5,10,10db0a10-dfc3-11eb-abab-acde48001123,-3.4028234663852886e+38,12.5
"""


def done(number, objective, **facts):
    point = {"x": 0.1 + number / 3, "units": 66, "activation": "None"}
    return Trial(
        number, point, "ambs", 1, State.DONE, objective, metadata=facts, submitted=0.5, ended=2.0 + number
    )


def failed(number, state=State.FAILED):
    return Trial(
        number,
        {"x": 1.0, "units": 3},
        "ambs",
        1,
        state,
        reason="boo",
        submitted=0.5,
        ended=2.0 + number,
    )


@pytest.fixture
def file(tmp_path):
    return tmp_path / "results.csv"


def test_the_labels_of_a_search_are_in_each_row_whatever_the_trial_records(file):
    labels = {"experiment": "screening", "tag_machine": "polaris"}
    ResultsFile(file, ["x"], labels).write([done(0, 1.0, experiment="mine"), failed(1)])
    rows = list(csv.DictReader(file.open()))
    assert [row["m:experiment"] for row in rows] == ["screening", "screening"]
    assert [row["m:tag_machine"] for row in rows] == ["polaris", "polaris"]


def test_what_is_written_is_read_back_to_the_last_digit(file):
    trials = [done(0, -1 / 3, test_mae=2 / 3), done(1, -0.1), failed(2)]
    ResultsFile(file, ["x", "units"]).write([*trials])
    best, second = read_results(file)
    assert (best.id, best.objective, best.point) == (1, -0.1, trials[1].point)
    assert (second.objective, second.facts["test_mae"]) == (-1 / 3, 2 / 3)
    assert isinstance(best.point["units"], int)


def test_hyperparameters_come_first_in_the_problem_s_order(file):
    ResultsFile(file, ["units", "activation", "x"]).write([done(0, 1.0)])
    header = file.read_text().splitlines()[0].split(",")
    assert header[:6] == ["p:units", "p:activation", "p:x", "objective", "job_id", "job_status"]


def test_a_failure_is_a_row_with_its_state_and_reason(file):
    ResultsFile(file, ["x"]).write([done(0, 1.0), failed(1, State.TIMEOUT)])
    row = file.read_text().splitlines()[2]
    assert "F_timeout" in row
    assert "TIMEOUT" in row
    assert "boo" in row


def test_a_fact_takes_no_column_of_ours(file):
    ResultsFile(file, ["x"]).write([done(0, 1.0, timestamp_gather="mine", reason="mine", attempt=7)])
    assert "mine" not in file.read_text()


def test_text_of_any_characters_is_written(file):
    ResultsFile(file, ["x"]).write([done(0, 1.0, note="\udcff")])
    assert read_results(file)[0].facts["note"] == "\\udcff"


def test_rows_are_added_as_trials_end(file):
    results, ended = ResultsFile(file, ["x"]), [done(0, 1.0)]
    results.write(ended)
    results.write([*ended, done(1, 2.0)])
    assert [result.id for result in read_results(file)] == [1, 0]


def test_the_row_of_a_trial_that_is_attempted_again_goes_though_no_other_trial_ended(file):
    results = ResultsFile(file, ["x"])
    results.write_if_due([failed(0)], lambda: 0.0)
    results.begin_anew()
    results.write_if_due([], lambda: 100.0)
    assert len(file.read_text().splitlines()) == 1  # the header


def test_the_file_is_not_written_again_if_nothing_has_changed(file):
    results = ResultsFile(file, ["x"])
    results.begin_anew()
    results.write_if_due([done(0, 1.0)], lambda: 0.0)
    file.unlink()
    results.write_if_due([done(0, 1.0)], lambda: 100.0)
    assert not file.exists()


def test_a_fact_that_comes_later_gets_a_column_in_all_rows(file):
    results, ended = ResultsFile(file, ["x"]), [done(0, 1.0)]
    results.write(ended)
    results.write([*ended, done(1, 2.0, test_mae=0.5)])
    lines = file.read_text().splitlines()
    assert "m:test_mae" in lines[0]
    assert len({line.count(",") for line in lines}) == 1
    assert read_results(file)[0].facts["test_mae"] == 0.5


def test_deephyper_s_own_analysis_reads_it_with_failures_among_the_rows(file):
    from deephyper.analysis import hpo

    ResultsFile(file, ["x", "units", "activation"]).write([done(0, -0.5), failed(1), done(2, -0.25)])
    table = hpo.read_results_from_csv(str(file))
    good, bad = hpo.filter_failed_objectives(table)
    assert (len(good), len(bad)) == (2, 1)
    assert hpo.parameters_at_max(table)[1] == -0.25
    assert [objective for _, objective in hpo.parameters_at_topk(table, k=2)] == [-0.25, -0.5]
    hpo.plot_search_trajectory_single_objective_hpo(table)
    hpo.plot_worker_utilization(table, profile_type="submit/gather")


def test_an_old_file_without_prefixes_is_read(file):
    file.write_text(OLD_FILE)
    best = read_results(file)[0]
    assert best.point == {"activation": "relu", "lr": 0.0030462747, "units": 66}
    assert (best.id, best.elapsed) == ("10db0a10-dfc3-11eb-abab-acde48001122", 555.1225059032)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a results file"),
        ("a,b\n1,2\n", "no column 'objective'"),
        ("p:x,objective\n", "no trial has ended"),
        ("p:x,objective\n1,F_failed\n2,F_lost\n", "all 2 trials failed"),
        ("\x00\x01", "not a results file"),
    ],
)
def test_a_file_without_results_is_refused_with_the_reason(file, text, said):
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        read_results(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for name in ("results.csv", "best.json"):
        with pytest.raises(UserError, match="no such file"):
            best_configuration(tmp_path / name)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"0": 3}', '{"0": {"x": 1}}', "\x00"])
def test_a_json_file_that_topk_did_not_write_is_refused(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(UserError, match="not a file that deephyper-analytics topk"):
        best_configuration(tmp_path / "best.json")


def test_a_damaged_journal_beside_a_good_file_is_no_hindrance(file):
    ResultsFile(file, ["x", "units"]).write([done(0, -1.0, seed=7), done(1, -0.5, seed=8)])
    SearchPaths(file.parent).journal.write_bytes(b"rubbish\n")
    assert [result.id for result in read_results(file)] == [1, 0]
    assert (best_configuration(file).trial, best_configuration(file).run_kwargs) == ("1", {"seed": 8})


def test_a_result_s_time_is_that_of_its_end(file):
    trial = done(0, -1.0)
    trial.submitted, trial.ended = 3.0, 11.0
    ResultsFile(file, ["x"]).write([trial])
    assert read_results(file)[0].elapsed == 11.0
