"""Every option that writes a file: through links, never over a device or a pipe, with a checked ending."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from journals import write_journal
from small_trainings import halides, trained, trained_once  # noqa: F401 (fixtures)

from dh_project.cli import analytics, main
from dh_project.results.identity import Identity

RESULTS = "p:x,objective,job_id,m:timestamp_gather\n0.5,1.0,0,2.0\n0.7,2.0,1,3.0\n"

COMMANDS = {
    "deephyper-analytics topk": (["topk", "results.csv"], ".json"),
    "deephyper-analytics lineage": (["lineage", "results.csv"], ".json"),
    "deephyper-analytics quickplot": (["quickplot", "results.csv"], ".svg"),
    "deephyper predict": (["predict", "training", "crystals"], ".csv"),
    "deephyper tasks show": (["tasks", "show"], ".csv"),
    "deephyper sites": (["sites"], ".json"),
    "deephyper replicate": (
        ["replicate", "best.json", "--seeds", "2", "--evaluator", "process", "--num-workers", "1"],
        ".json",
    ),
}
"""A command line for each command that writes a file, and a valid ending."""

ONE_TRIAL = [
    {"kind": "search", "identity": vars(Identity("problem", {}, "run", {}, 1))},
    {"kind": "start", "at": 0.0, "trial": 0, "attempt": 1, "point": {"x": 0.5}, "origin": "random"},
    {"kind": "report", "at": 1.0, "trial": 0, "attempt": 1, "step": 1, "objective": 1.0},
    {
        "kind": "end", "at": 2.0, "trial": 0, "attempt": 1, "state": "done", "objective": 1.0, "reason": None,
        "facts": {}, "worker": None,
    },
]  # fmt: skip
"""The records of a search."""


def write_best(folder):
    """Write a file with the best trial of a search, and the problem and the run function that it names."""
    samples = Path(__file__).parents[1] / "samples"
    rerun = {"problem": f"{samples}/small_problem.py", "run": f"{samples}/small_run.py", "run_kwargs": {}}
    best = {"x": 0.5, "units": 8, "activation": "relu", "id": 0, "elapsed_sec": 2.0, "objective": 1.0}
    (folder / "best.json").write_text(json.dumps({"0": {**best, "rerun": rerun}}))


@pytest.fixture
def write(request, tmp_path, monkeypatch, capsys):
    """Return a function that runs a command with an output file, and returns its status and its messages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.csv").write_text(RESULTS)

    def write(command, path):
        if "predict" in command:
            request.getfixturevalue("trained")
            if not Path("crystals").exists():
                shutil.copytree(request.getfixturevalue("halides"), "crystals")
        if "replicate" in command:
            write_best(tmp_path)
        if "lineage" in command:
            write_journal(tmp_path / "journal.jsonl", ONE_TRIAL)
        program = analytics.main if "analytics" in command else main.main
        return program([*COMMANDS[command][0], "-o", str(path)]), capsys.readouterr().err

    return write


def test_these_are_all_commands_that_write_a_file():
    parsers = [*main.make_parser().commands(), *analytics.make_parser().commands()]
    writing = [parser.prog for parser in parsers if any(a.dest == "output" for a in parser._actions)]
    assert sorted(writing) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_is_written_through_a_link(write, command, tmp_path):
    ending = COMMANDS[command][1]
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / f"link{ending}", tmp_path / f"elsewhere/target{ending}"
    link.symlink_to(target)
    for _ in range(2):  # the target does not exist at first
        assert write(command, link)[0] == 0
        assert link.is_symlink()
        assert target.stat().st_size > 10
        target.write_text("old")
    assert {path.name for path in target.parent.iterdir()} == {target.name}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_regular_file_is_refused_and_stays(write, command, tmp_path):
    ending = COMMANDS[command][1]
    pipe, link = tmp_path / f"pipe{ending}", tmp_path / f"link{ending}"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    (tmp_path / f"folder{ending}").mkdir()
    for name, said in (
        ("pipe", "a device or a pipe"),
        ("link", "a device or a pipe"),
        ("folder", "a folder"),
    ):
        status, message = write(command, f"{name}{ending}")
        assert status == 2
        assert f"-o {name}{ending}: this is {said}" in message
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.xlsx", "cannot write .xlsx; end it in ."),
        ("out", "a file without ending"),
        ("no/out", "no folder no"),
    ],
)
def test_a_wrong_ending_or_a_missing_folder_is_refused(write, command, name, said, tmp_path):
    ending = COMMANDS[command][1] if name == "no/out" else ""
    status, message = write(command, f"{name}{ending}")
    assert status == 2
    assert said in message
    assert not Path(name).exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [("deephyper-analytics topk", "results.csv"), ("deephyper predict", "crystals/id_prop.csv")],
)
def test_a_file_that_the_command_reads_is_not_overwritten(write, command, name, tmp_path):
    (tmp_path / "link.csv").symlink_to(name)
    status, message = write(command, "link.csv")
    assert status == 2
    assert "this file is read by the same command" in message
