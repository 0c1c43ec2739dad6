import csv
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dh_project.cli.analytics import main
from dh_project.common.yaml_core import dump_yaml, load_yaml
from dh_project.results.reruns import best_configuration

OLD = "activation,lr,units,id,objective,elapsed_sec\nrelu,0.0030462747,66,10db0a10,0.9863986373,555.1225059032\n"
TUTORIAL = """\
'0':
  activation: relu
  elapsed_sec: 555.1225059032
  id: 10db0a10
  lr: 0.0030462747
  objective: 0.9863986373
  units: 66

"""
TODAY = """\
p:x,p:units,objective,job_id,job_status,m:timestamp_submit,m:timestamp_gather,m:seed,m:threads
0.1,3,-0.25,0,DONE,0.0,1.5,7,1
0.30000000000000004,4,-0.12345678901234567,1,DONE,0.0,2.5,7,1
0.2,5,F_failed,2,FAILED,0.0,3.5,,
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.csv").write_text(TODAY)
    return tmp_path


def test_it_prints_what_the_tutorial_prints(here, capsys):
    (here / "results.csv").write_text(OLD)
    assert main(["topk", "results.csv"]) == 0
    assert capsys.readouterr().out == TUTORIAL


def test_prefixes_go_and_numbers_stay_whole(here, capsys):
    main(["topk", "results.csv", "-k", "2"])
    table = yaml.safe_load(capsys.readouterr().out)
    assert list(table) == ["0", "1"]
    assert table["0"] == {
        "elapsed_sec": 2.5,
        "id": 1,
        "m:seed": 7,
        "m:threads": 1,
        "objective": -0.12345678901234567,
        "units": 4,
        "x": 0.1 + 0.2,
    }


def test_asking_for_more_than_there_are_gives_all(here, capsys):
    main(["topk", "results.csv", "-k", "9"])
    assert len(yaml.safe_load(capsys.readouterr().out)) == 2


def test_output_goes_to_a_file_of_each_format(here, capsys):
    for name in ("best.json", "best.yaml", "best.csv"):
        assert main(["topk", "results.csv", "-o", name]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((here / "best.json").read_text())["0"]["rerun"] == {"seed": 7, "threads": 1}
    assert yaml.safe_load((here / "best.yaml").read_text())["0"]["units"] == 4
    assert next(csv.DictReader((here / "best.csv").open()))["x"] == "0.30000000000000004"


def test_a_folder_of_a_search_is_its_results(here, capsys):
    assert main(["topk", "."]) == main(["topk", "results.csv"]) == 0
    said = capsys.readouterr().out
    assert said[: len(said) // 2] == said[len(said) // 2 :]


def test_recorded_values_are_kept_in_each_format(here):
    for name in ("best.json", "best.yaml", "best.csv"):
        main(["topk", "results.csv", "-k", "2", "-o", name])
    assert yaml.safe_load((here / "best.yaml").read_text())["1"]["m:seed"] == 7
    assert json.loads((here / "best.json").read_text())["0"]["m:threads"] == 1
    assert [row["m:seed"] for row in csv.DictReader((here / "best.csv").open())] == ["7", "7"]
    assert "&" not in (here / "best.yaml").read_text()


@given(st.text(max_size=8) | st.sampled_from(["1e3", "0o17", "011", "No", "null", "1.10", "60:20", "~"]))
def test_a_text_in_yaml_is_a_text_for_each_version_of_yaml(text):
    written = dump_yaml({"value": text})
    assert load_yaml(written) == yaml.safe_load(written) == {"value": text}


def test_the_best_configuration_is_the_same_from_either_file(here):
    main(["topk", "results.csv", "-o", "best.json"])
    from_json, from_csv = best_configuration(here / "best.json"), best_configuration(here / "results.csv")
    assert from_json == from_csv
    assert from_json.point == {"x": 0.1 + 0.2, "units": 4}
    assert from_json.run_kwargs == {"seed": 7, "threads": 1}
