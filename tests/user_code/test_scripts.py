"""Scripts as run functions: their output, files and exit status."""

import csv
import json
import math
import os
import re
import subprocess
import sys

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.trial.reporting import Connection, connect
from dh_project.user_code import scripts
from dh_project.user_code.script_flags import flags_in_help, unusual_flags
from dh_project.user_code.scripts import NUMBER, Printed, Written, check_flags, flags, run_script

MAE = Printed(rf"MAE {NUMBER}", goal="minimize")
LAST_MAE = Printed(rf"MAE {NUMBER}", goal="minimize", take="last")
BEST_MAE = Printed(rf"MAE {NUMBER}", goal="minimize", take="best")
BEST_R2 = Printed(rf"R2 {NUMBER}", goal="maximize", take="best")
JSON = Written("metrics.json", "valid.mae", goal="minimize")


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a function that runs Python code as a script in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)

    def script(code, metric):
        (tmp_path / "script.py").write_text(code)
        return run_script([sys.executable, "script.py"], metric)

    return script


@pytest.fixture
def listen(tmp_path):
    """Return a function that collects the reports from here on, and answers them."""

    class Listener(Connection):
        def __init__(self, answer):
            self.folder, self.answer, self.reports = tmp_path, answer, []

        def report(self, step, objective, of=None):
            self.reports.append((step, objective))
            return self.answer(step)

    def listen(answer=lambda step: True):
        connect(listener := Listener(answer))
        return listener

    yield listen
    connect(Connection())


def is_running(file):
    """Return whether the process of the id in a file is running. A zombie is not running."""
    try:
        return psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_hyperparameters_are_flags():
    point = {"batch_size": 32, "lr": 1e-05, "optim": "Adam", "nesterov": True, "amp": False, "seed": None}
    words = flags(point, names={"batch_size": "-b"})
    assert words == ["-b", "32", "--lr", "1e-05", "--optim", "Adam", "--nesterov"]


@pytest.mark.parametrize(
    ("metric", "code", "objective"),
    [
        (MAE, "print('MAE 0.25')", -0.25),
        (MAE, "import sys; print('MAE -1.5e-3', file=sys.stderr)", 0.0015),
        (LAST_MAE, "print('MAE 1'); print('MAE 3')", -3.0),
        (BEST_MAE, "print('MAE 2'); print('MAE nan'); print('MAE 1'); print('MAE 3')", -1.0),
        (BEST_R2, "print('R2 .5'); print('R2 0.7'); print('R2 0.6')", 0.7),
        (LAST_MAE, "print('MAE 1'); print('MAE Infinity')", -math.inf),
        (MAE, "import sys; sys.stdout.write('MAE 0.5')", -0.5),
        (MAE, "import sys; sys.stdout.buffer.write(bytes(range(256))); print('\\nMAE 0.5')", -0.5),
        (JSON, "open('metrics.json', 'w').write('{\"valid\": {\"mae\": 0.5}}')", -0.5),
        (JSON, "open('metrics.json', 'w').write('{\"valid.mae\": 0.5}')", -0.5),
    ],
)
def test_the_metric_is_the_objective(script, metric, code, objective):
    assert script(code, metric) == objective


def test_only_what_is_no_number_has_no_best(script):
    assert math.isnan(script("print('MAE nan')", BEST_MAE))
    assert math.isnan(script("print('MAE 1'); print('MAE NaN')", LAST_MAE))


def test_a_list_in_a_json_file_is_entered_by_position(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"mae": [3, {"best": 2}]}))
    assert Written("m.json", "mae.1.best", goal="minimize").read(tmp_path) == 2.0


def test_a_metric_is_reported_while_the_script_runs(script, listen, tmp_path):
    listener = listen(lambda step: (tmp_path / "reported").write_text("") == 0)
    waits = "import pathlib, time\nprint('MAE 2')\nwhile not pathlib.Path('reported').exists(): time.sleep(0.01)\n"
    assert script(waits + "print('MAE 1')", BEST_MAE) == -1.0
    assert listener.reports == [(1, -2.0), (2, -1.0)]


def test_what_the_script_prints_is_the_log(script, capfd):
    script("import sys; print('first'); print('second', file=sys.stderr); print('MAE 1')", MAE)
    assert capfd.readouterr().out.splitlines() == ["first", "second", "MAE 1"]


def test_what_a_script_leaves_running_is_not_waited_for(script, tmp_path):
    leaves = "import subprocess, sys\nprint('MAE 1')\n"
    leaves += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    assert script(leaves + "open('pid', 'w').write(str(child.pid))", MAE) == -1.0
    left = psutil.Process(int((tmp_path / "pid").read_text()))  # in a search it ends with the trial
    assert left.is_running()
    left.kill()


STUBBORN = """\
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("pid", "w").write(str(child.pid))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("MAE 4")
time.sleep(600)
"""


def test_a_stop_ends_the_script_and_its_children_and_what_it_came_to_counts(
    script, listen, tmp_path, monkeypatch
):
    monkeypatch.setattr(scripts, "GRACE_SECONDS", 0.2)
    listen(lambda step: False)
    before = set(psutil.Process().children())  # other tests' servers
    assert script(STUBBORN, LAST_MAE) == -4.0
    assert not is_running(tmp_path / "pid")
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize(
    ("metric", "code", "said"),
    [
        (
            MAE,
            "print('MAE 1'); raise SystemExit(3)",
            "script.py ended with exit status 3; its last line: 'MAE 1'",
        ),
        (MAE, "raise ValueError('no data')", "exit status 1; its last line: 'ValueError: no data'"),
        (MAE, "import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV; its last line: none"),
        (MAE, "print('done')", "printed no line with the metric .*; its last line: 'done'"),
        (BEST_MAE, "pass", "printed no line with the metric"),
        (MAE, "print('MAE 1'); print('MAE 2')", "twice: 1 and 2; narrow the pattern, or say .* take='last'"),
        (Printed("MAE (.*)", goal="minimize"), "print('MAE low')", "'low' is not a number"),
        (JSON, "pass", "the script wrote no metrics.json"),
        (JSON, "open('metrics.json', 'w').write('{')", "metrics.json: not JSON"),
        (JSON, "__import__('os').mkdir('metrics.json')", "metrics.json: cannot be read: Is a directory"),
        (JSON, "open('metrics.json', 'w').write('{\"loss\": 1}')", "it has no valid.mae; it has: loss"),
        (JSON, "open('metrics.json', 'w').write('{\"valid\": {\"mae\": true}}')", "'True' is not a number"),
    ],
)
def test_a_script_that_fails_says_how_in_one_line(script, metric, code, said):
    with pytest.raises(UserError, match=said) as raised:
        script(code, metric)
    assert len(str(raised.value).splitlines()) == 1


def test_an_earlier_runs_file_is_not_read(script, tmp_path):
    (tmp_path / "metrics.json").write_text('{"valid": {"mae": 1}}')
    with pytest.raises(UserError, match=r"wrote no metrics\.json"):
        script("pass", JSON)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(UserError, match="no-such-program: cannot be started: No such file"):
        run_script(["no-such-program"], MAE)


def test_a_file_that_may_not_be_executed_is_told_so(tmp_path):
    (tmp_path / "train.sh").write_text("echo MAE 1\n")
    with pytest.raises(UserError, match=r"train\.sh: cannot be started: Permission denied; .*chmod \+x"):
        run_script([tmp_path / "train.sh"], MAE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"pattern": "MAE (", "goal": "minimize"}, "not a regular expression"),
        ({"pattern": "MAE", "goal": "minimize"}, "it has 0 groups"),
        ({"pattern": "(MAE) (.*)", "goal": "minimize"}, "it has 2 groups"),
        ({"pattern": "(.*)", "goal": "minimise"}, "did you mean 'minimize'"),
        ({"pattern": "(.*)", "goal": "minimize", "take": "first"}, "valid: only, best, last"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(words, said):
    with pytest.raises(UserError, match=said):
        Printed(**words)


@given(st.from_regex(r"[-+]?[0-9]{1,4}(([.,'_:/x^]|[eEd][-+]?)[0-9]{1,3}){0,3}", fullmatch=True))
@example("1,234.56")
@example("0,123")
@example("1.5d-3")
def test_a_number_is_read_whole_or_refused(text):
    if re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", text, re.ASCII):
        assert MAE.found_in(f"MAE {text} eV") == float(text)
    else:
        with pytest.raises(UserError, match="is only a part"):
            MAE.found_in(f"MAE {text} eV")


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (rf"MAE.*{NUMBER}", "MAE = 12.5"),
        (rf"MAE.*{NUMBER}", "MAE = 1e-3"),
        (r"MAE.*?(\d+\.\d+)", "MAE: -0.5"),
        (r"MAE.*?(\d+)", "MAE .5"),
    ],
)
def test_the_end_of_a_number_is_no_number(pattern, line):
    with pytest.raises(UserError, match="is only a part"):
        Printed(pattern, goal="minimize").found_in(line)


def test_a_unit_or_a_full_stop_may_follow_a_number():
    ends = ("eV", " eV/atom", "%", ".", ", then", ")", "")
    assert [MAE.found_in(f"MAE 0.25{end}") for end in ends] == [0.25] * len(ends)
    assert Printed(rf"R2:{NUMBER}", goal="maximize").found_in("R2:0.5") == 0.5


ORIGINAL = "print('Epoch: [0][0/9] MAE 0.9 (0.9)'); print(' * MAE 0.5'); print(' ** MAE 0.4')"


def test_a_pattern_that_matches_different_lines_is_refused(script):
    with pytest.raises(UserError, match=r"matches different lines: 'Epoch: .* and '\* MAE 0\.5'"):
        script(ORIGINAL, LAST_MAE)
    assert script(ORIGINAL, Printed(rf"^ \* MAE {NUMBER}", goal="minimize", take="last")) == -0.5
    assert script("print('step 1: MAE 3'); print('step 20: MAE 2')", LAST_MAE) == -2.0


def test_a_metric_that_is_twice_in_a_line_is_refused():
    with pytest.raises(UserError, match=r"is twice in 'train MAE 1, valid MAE 2': 1 and 2"):
        MAE.found_in("train MAE 1, valid MAE 2")


def test_the_other_values_of_a_json_file_are_recorded(script, listen):
    listener = listen()
    listener.record = lambda facts: setattr(listener, "facts", facts)
    found = {"valid": {"mae": 0.5, "r2": 0.9}, "test.mae": 0.6, "curve": [1, 2], "device": "cpu", "gap": None}
    script(f"import json; json.dump({found!r}, open('metrics.json', 'w'))", JSON)
    assert listener.facts == {"valid.mae": 0.5, "valid.r2": 0.9, "test.mae": 0.6, "device": "cpu"}


PARSER = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--n_estimators", type=int)
parser.add_argument("--batch-size", type=int)
parser.add_argument("--milestones", type=int, nargs="+")
parser.add_argument("--shift", type=float)
given = parser.parse_args()
print(given.n_estimators, given.batch_size, given.milestones, given.shift)
"""


def test_the_flags_of_a_script_are_taken_from_its_help(tmp_path):
    (tmp_path / "train.py").write_text(PARSER)
    command = [sys.executable, tmp_path / "train.py"]
    spelt = unusual_flags(flags_in_help(command))
    assert spelt == {"n_estimators": "--n_estimators"}
    point = {"n_estimators": 3, "batch_size": 4, "milestones": [50, 80], "shift": -1e-05}
    check_flags(command, point, spelt)
    done = subprocess.run([*command, *flags(point, spelt)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 4 [50, 80] -1e-05"
    with pytest.raises(
        UserError, match=r"train\.py has no flag --n-estimators .*did you mean '--n_estimators'"
    ):
        check_flags(command, ["n_estimators"], {})


def test_a_script_without_help_is_not_checked(tmp_path):
    (tmp_path / "train.py").write_text("raise SystemExit(2)")
    check_flags([sys.executable, tmp_path / "train.py"], ["lr"], {})


RUN = """\
import sys
from dh_project import HpProblem
from dh_project.user_code.scripts import Printed, run_script

Problem = HpProblem()
Problem.add_dim("kind", ["hangs", "fails", "ends"])
for kind in ("hangs", "fails", "ends"):
    Problem.add_starting_point(kind=kind)

def run(point):
    return run_script([sys.executable, {script!r}, point["kind"]], Printed("MAE (.*)", goal="minimize"))
"""
SCRIPT = """\
import os, sys, time
open("pid", "w").write(str(os.getpid()))
if sys.argv[1] == "hangs":
    time.sleep(600)
sys.exit(7) if sys.argv[1] == "fails" else print("MAE 1.5")
"""


def test_in_a_search_a_killed_trial_takes_its_script_along_and_a_failed_ones_row_says_why(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "mine.py").write_text(RUN.format(script=str(tmp_path / "script.py")))
    words = ["hps", "random", "--evaluator", "process", "--num-workers", "2", "--max-evals", "3"]
    words += ["--problem", "mine.py", "--run", "mine.py", "--trial-timeout", "3"]
    subprocess.run(
        [sys.executable, "-m", "dh_project.cli.main", *words],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        check=True,
    )
    with (tmp_path / "results.csv").open() as file:
        rows = {row["p:kind"]: row for row in csv.DictReader(file)}
    assert rows["ends"]["objective"] == "-1.5"
    assert "script.py ended with exit status 7" in rows["fails"]["m:reason"]
    assert rows["hangs"]["objective"] == "F_timeout"
    files = list(tmp_path.glob("trials/*/*/pid"))
    assert len(files) == 3
    assert not any(map(is_running, files))


def test_a_script_runs_in_its_trial_s_folder_and_finds_the_paths_of_the_search(tmp_path, monkeypatch):
    """Each existing path of the command line is meant, however it is written; a choice of the same name is not."""
    start, folder = tmp_path / "start", tmp_path / "trial"
    for path in (start / "data", start / "SGD", folder):
        path.mkdir(parents=True)
    (start / "labels.csv").write_text("")
    (start / "show.py").write_text(
        "import os, sys\nopen('words.txt', 'w').write('\\n'.join([os.getcwd(), *sys.argv[1:]]))\nprint('MAE 1')\n"
    )
    monkeypatch.chdir(start)
    connection = Connection()
    connection.folder, connection.point = folder, {"optim": "SGD"}
    connect(connection)
    words = ["data", "./labels.csv", "--labels=labels.csv", "../start", "missing", "--optim", "SGD", "-1", ""]
    try:
        run_script([sys.executable, "show.py", *words], MAE)
    finally:
        connect(Connection())
    labels = str(start / "labels.csv")
    seen = [
        str(start / "data"),
        labels,
        f"--labels={labels}",
        str(start),
        "missing",
        "--optim",
        "SGD",
        "-1",
        "",
    ]
    assert (folder / "words.txt").read_text().split("\n") == [str(folder), *seen]
