"""The class that the page on own problems shows is searched by the command below it, both as they stand."""

import csv
import re
import subprocess
import sysconfig
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "own_problem.rst"
PROBLEM = """\
from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("rate", (0.01, 0.4))
"""


def blocks():
    found = re.findall(r"::\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


def test_the_class_is_searched_by_the_command_as_it_stands(tmp_path):
    here = next(number for number, block in enumerate(blocks()) if block.startswith("# my_model.py"))
    code, command = blocks()[here : here + 2]
    (tmp_path / "my_model.py").write_text(code)
    (tmp_path / "my_problem.py").write_text(PROBLEM)
    deephyper = f"{sysconfig.get_path('scripts')}/deephyper"
    done = subprocess.run(
        ["bash", "-c", command.replace("deephyper", deephyper, 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert {(row["job_status"], row["m:steps"]) for row in rows} == {("DONE", "50")}
    assert all(float(row["objective"]) == -(float(row["m:x"]) ** 2) for row in rows)
