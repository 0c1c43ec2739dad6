"""Tab, as bash asks for it: the line of the documentation is evaluated, and its function called in a real bash."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/options.rst").read_text()
REGISTER = next(line.strip() for line in PAGE.splitlines() if line.strip().startswith('eval "$('))

SCRIPT = """\
#!{python}
import sys

from dh_project.cli.{module} import main

if __name__ == "__main__":
    sys.exit(main())
"""
"""As pip writes a program."""

TAB = """\
{register}
COMP_LINE={line} COMP_POINT={point} COMP_TYPE=9
_python_argcomplete {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

ASK = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": "offered"}
"""What shells set beside the line, and a file for the answer in place of descriptor 8."""

HEAVY = ("deephyper", "ray", "torch", "pydantic", "numpy", "ConfigSpace", "sklearn", "pandas", "jinja2")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Return a folder of the three programs."""
    folder = tmp_path_factory.mktemp("bin")
    modules = {"deephyper": "main", "dh-project": "main", "deephyper-analytics": "analytics"}
    for name, module in modules.items():
        (folder / name).write_text(SCRIPT.format(python=sys.executable, module=module))
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def environment(programs, tmp_path):
    """Return variables by which bash finds the programs."""
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}
    return {**os.environ, **home, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def tab(environment, tmp_path):
    """Return a function that gives what a Tab at the end of a line offers, in a folder of some files."""
    folder = tmp_path / "work"
    (folder / "searches").mkdir(parents=True)
    for name in ("problem.py", "results.csv", "notes.txt", "lab.toml"):
        (folder / name).touch()

    def tab(line):
        program = line.split()[0]
        code = TAB.format(register=REGISTER, line=shlex.quote(line), point=len(line), program=program)
        words = ["bash", "--norc", "-c", code]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        assert not done.stderr
        return {word.strip() for word in done.stdout.splitlines()} - {""}

    return tab


@pytest.mark.parametrize("program", ["deephyper", "dh-project"])
def test_commands_are_offered(tab, program):
    assert tab(f"{program} t") == {"train", "tasks"}
    assert tab(f"{program} hps ") == {"ambs", "random", "--help"}


def test_so_are_those_of_the_other_program(tab):
    assert tab("deephyper-analytics topk --o") == {"--output"}
    assert tab("deephyper-analytics topk ") >= {"results.csv", "searches/"}
    assert not tab("deephyper-analytics topk ") & {"notes.txt", "problem.py"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (
            "deephyper hps ambs --max-",
            {"--max-epochs-total", "--max-evals", "--max-failures", "--max-retries"},
        ),
        ("deephyper submit polaris --sna", {"--snapshot", "--snapshot-limit"}),
        ("deephyper train --mi", {"--milestones", "--mixed-precision"}),
        ("deephyper tasks show --da", {"--days"}),
        ("deephyper hps ambs --cache", set()),  # an option of old DeepHyper, which is refused
        ("deephyper submit polaris --fre", set()),  # one of a search that a job settles
    ],
)
def test_options_are_offered_by_the_command(tab, line, offered):
    assert tab(line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("deephyper submit polar", {"polaris"}),
        ("deephyper submit polaris --queue de", {"debug", "debug-scaling", "demand"}),
        ("deephyper submit polaris --evaluator ", {"mpi", "ray"}),
        ("deephyper submit polaris --searcher ", {"ambs", "random"}),
        ("deephyper new-problem h", {"hps"}),
        ("deephyper new-problem n", set()),
        ("deephyper new-problem hps mine --template s", {"script", "sklearn"}),
        ("deephyper hps ambs --evaluator ", {"process", "ray", "mpi", "balsam"}),
        ("deephyper hps ambs --stopper m", {"median"}),
        ("deephyper hps ambs --surrogate-model E", {"ET"}),
        ("deephyper hps ambs --acq-func=gp", {"gp_hedge", "gp_hedged"}),
        ("deephyper hps ambs --warm-start ", {"results.csv", "searches/"}),
        ("deephyper hps ambs --log-dir s", {"searches/"}),
        ("deephyper tasks show --state run_", {"run_done", "run_error", "run_timeout"}),
        ("deephyper balsam-submit h", {"hps"}),
        ("deephyper train --optim ", {"SGD", "Adam", "AdamW"}),
        ("deephyper train --loss ", {"mse", "l1", "huber"}),
        ("deephyper train --schedule=c", {"cosine"}),
        ("deephyper train --group-by c", {"composition", "chemical_system"}),
        ("deephyper train --kernels n", {"numba"}),
        ("deephyper train --device ", {"auto", "cpu", "cuda"}),
        ("deephyper predict --ties ", {"environment", "pymatgen", "original"}),
        ("deephyper-analytics topk results.csv -o b", set()),
    ],
)
def test_known_values_are_completed(tab, line, offered):
    assert tab(line) == offered


@pytest.mark.parametrize("option", ["--problem", "--run"])
def test_the_problems_of_installed_projects_are_offered_and_python_files(tab, option):
    offered = tab(f"deephyper hps ambs {option} ")
    assert {"cgcnn_mp", "problem.py", "searches/"} <= offered
    assert not offered & {"notes.txt", "results.csv"}


def test_sites_of_ones_own_are_offered(tab, environment, tmp_path):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/lakeside.toml").touch()
    environment["DH_PROJECT_SITES"] = str(tmp_path / "sites")
    assert tab("deephyper submit la") == {"lakeside", "lab.toml"}


def test_a_site_that_is_not_there_has_no_queues_and_breaks_nothing(tab):
    assert tab("deephyper submit nowhere --queue ") == set()
    assert tab("deephyper submit --queue ") == set()


def test_the_options_of_train_are_those_of_its_help(tab):
    from dh_project.cli.main import make_parser

    train = next(parser for parser in make_parser().commands() if parser.prog.endswith(" train"))
    train.find_options()
    names = {name for action in train._actions for name in action.option_strings if name.startswith("--")}
    assert tab("deephyper train --") == names


@pytest.mark.parametrize(("shell", "between"), [("zsh", ":"), ("fish", "\t")])
def test_zsh_and_fish_are_told_what_each_is(environment, tmp_path, shell, between):
    asked = {**ASK, "_ARGCOMPLETE_SHELL": shell, "COMP_LINE": "deephyper sub", "COMP_POINT": "13"}
    asked |= {"_ARGCOMPLETE_DFS": between} if shell == "fish" else {}
    environment |= {**asked, "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    subprocess.run(["deephyper"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "offered").read_text() == f"submit{between}submit a search as batch jobs of a site"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("deephyper ", "submit"),
        ("deephyper submit ", "polaris"),
        ("deephyper hps ambs --evaluator ", "mpi"),
        ("deephyper hps ambs --problem ", "cgcnn_mp"),
        ("deephyper hps ambs --stopper ", "bandit"),
        ("deephyper hps ambs --acq-func ", "UCBd"),
        ("deephyper new-problem hps mine --template ", "lightning"),
        ("deephyper train --l", "--lr"),
        ("deephyper train --optim A", "AdamW"),
        ("deephyper predict --ties p", "pymatgen"),
    ],
)
def test_a_tab_imports_nothing_large(environment, tmp_path, line, offered):
    code = (
        "import sys\n"
        "imported = open('imported', 'w', buffering=1)\n"
        "sys.addaudithook(lambda event, what: event == 'import' and imported.write(f'{what[0]}\\n'))\n"
        "from dh_project.cli.main import main\n"
        "main()\n"
    )
    asked = {**ASK, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment | asked, check=True)
    assert offered in (tmp_path / "offered").read_text().split()
    imported = (tmp_path / "imported").read_text().split()
    assert "argcomplete" in imported
    assert not {name.partition(".")[0] for name in imported} & set(HEAVY)
