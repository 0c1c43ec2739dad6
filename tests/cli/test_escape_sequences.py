"""Characters that act on a terminal or reverse a line: a trial cannot bring them anywhere that people look."""

import csv
import json
import subprocess
import sys

import pytest

from dh_project.common.plain import one_line, plain

C0 = [chr(code) for code in (*range(0x20), 0x7F)]
C1 = [chr(code) for code in range(0x80, 0xA0)]
BIDI = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OTHERS = ["\u00ad", "\u200b", "\u2028", "\u2029", "\ufeff", "\U000e0041", "\udc9b"]
EVIL = [*C0, *C1, *BIDI, *OTHERS]

RUN = """
from dh_project import record, report, trial_folder
EVIL = {evil}

def run(point):
    text = "".join(f"<{{char}}[31m>" for char in EVIL)
    record(**{{"note" + text: text, "plain": 1}})
    (trial_folder() / "".join(set(EVIL) - {{"\\0", "/"}})[:60]).touch()
    print(text)
    if point["x"] < 5:
        raise RuntimeError(text)
    return point["x"]
"""


@pytest.mark.parametrize("char", EVIL)
def test_each_character_is_shown_as_an_escape_and_lines_stay_lines(char):
    assert char in "\t\n" or plain(f"a{char}b") == f"a{char.encode('unicode_escape').decode()}b"
    assert plain("a\n\tb") == "a\n\tb"
    assert char not in one_line(f"a{char}b").replace("a b", "")


def test_what_people_write_stays_as_it_is():
    text = "Ångström Δ 结构 शून्य 🧪 می\u200cخواهم 👩\u200d🔬"
    assert plain(text) == one_line(text) == text


@pytest.mark.slow
def test_no_such_character_of_a_trial_reaches_terminal_table_journal_or_log(tmp_path, samples):
    (tmp_path / "evil.py").write_text(RUN.format(evil=ascii(EVIL)))
    (tmp_path / "evil_problem.py").write_text(
        "from dh_project import HpProblem\nProblem = HpProblem()\nProblem.add_dim('x', [1, 9])\n"
        "Problem.add_starting_point(x=1)\nProblem.add_starting_point(x=9)\n"
    )
    words = [
        "hps",
        "random",
        "--evaluator",
        "process",
        "--num-workers",
        "1",
        "--max-evals",
        "2",
        "--log-dir",
        "one",
    ]
    words += ["--problem", "evil_problem.Problem", "--run", "evil.run"]
    said = call("main", *words, folder=tmp_path) + call(
        "analytics", "topk", "one/results.csv", folder=tmp_path
    )
    assert "trial    0  failed" in said
    texts = [said, *((tmp_path / "one" / name).read_text() for name in ("results.csv", "deephyper.log"))]
    texts += strings(list(map(json.loads, (tmp_path / "one/journal.jsonl").read_text().splitlines())))
    with (tmp_path / "one/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert all("\\x1b[31m" in row["m:reason"] + str(row) for row in rows)
    found = {char for text in texts for char in text} & set(EVIL)
    assert found <= {"\n"}


def call(module, *words, folder):
    done = subprocess.run(
        [sys.executable, "-m", f"dh_project.cli.{module}", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout + done.stderr


def strings(value):
    """Return all strings in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in strings(part)]
