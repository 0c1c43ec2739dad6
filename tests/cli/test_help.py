"""The help of every command: what it does, its options by what they are for, and an example that is true."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest

from dh_project import __version__
from dh_project.cli import analytics, main

PROGRAMS = {
    "deephyper": main.make_parser,
    "dh-project": main.make_parser,
    "deephyper-analytics": analytics.make_parser,
}
ROOTS = [main.make_parser(), analytics.make_parser()]
PARSERS = {parser.prog: parser for root in ROOTS for parser in [root, *root.commands()]}

every_parser = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)


def examples(said):
    """Yield the words of each command of our programs among the examples of a help."""
    block = re.search(r"^examples?:\n((?: +.*\n?)+)", said, re.MULTILINE)
    assert block, f"no example in:\n{said}"
    for command in block[1].replace("\\\n", " ").replace("&&", "\n").splitlines():
        words = shlex.split(command)
        if words and words[0] in PROGRAMS:
            yield words


def test_all_commands_are_looked_at():
    commands = {name.partition(" ")[2] for name in PARSERS}
    assert {"hps ambs", "hps random", "submit", "tasks show", "tasks kill", "tasks retry", "topk"} <= commands
    assert {
        "train",
        "predict",
        "sites",
        "doctor",
        "start-project",
        "new-problem",
        "balsam-submit",
    } <= commands
    assert {"balsam-init", "balsam-start", "balsam-stop", "balsam-status"} <= commands


@every_parser
def test_the_help_says_what_the_command_does(parser):
    assert len((parser.description or "").split()) > 1


@every_parser
def test_options_stand_under_titles_that_say_what_they_are_for(parser):
    parser.find_options()
    untitled = re.search(r"^options:\n((?: .*\n)+)", parser.format_help(), re.MULTILINE)[1]
    assert re.findall(r"^  (-\S+)", untitled, re.MULTILINE) == ["-h,"]


def words_of(text):
    """Return the words after the usage, without the backslashes between lines."""
    return text.partition("\n\n")[2].replace("\\\n", " ").split()


@every_parser
@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_help_fits_the_terminal_and_breaks_no_word(parser, width, monkeypatch):
    parser.find_options()
    monkeypatch.setenv("COLUMNS", "1000")
    whole = words_of(parser.format_help())
    monkeypatch.setenv("COLUMNS", str(width))
    shown = parser.format_help()
    assert words_of(shown) == whole
    usage, _, rest = shown.partition("\n\n")
    assert usage.startswith("usage")
    too_long = [line for line in rest.splitlines() if len(line) > width]
    assert all(len(line.split()) == 1 for line in too_long)


@every_parser
def test_the_examples_are_commands_that_can_be_given(parser):
    parser.find_options()
    reached = [
        PROGRAMS[program]().parse_args(words).parser.prog
        for program, *words in examples(parser.format_help())
    ]
    assert any(f"{command} ".startswith(f"{parser.prog} ") for command in reached)


@pytest.mark.parametrize("words", [[], ["hps"], ["tasks"]])
def test_without_a_command_the_help_of_the_place_is_printed(words, capsys):
    assert main.main(words) == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: deephyper", *words, "[-h]"]))


@pytest.mark.parametrize("program", ["main", "analytics"])
def test_the_version_is_told_with_those_of_what_does_the_work(program):
    words = [sys.executable, "-m", f"dh_project.cli.{program}", "--version"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    others = ", ".join(f"{name} {version(name)}" for name in ("deephyper", "ray", "torch"))
    assert said == f"dh_project {__version__} ({others})\n"


def test_what_is_not_installed_is_told_so():
    from dh_project.cli.versions import installed_version

    assert installed_version("no-such-distribution") == "not installed"


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["hps", "ambs", "--help"], ["submit", "--help"]]
)
def test_nothing_large_is_imported_to_say_so(words):
    code = (
        "import sys\nfrom dh_project.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout
    assert not {"deephyper", "ray", "torch", "pydantic", "numpy", "yaml"} & set(done.stderr.split())
