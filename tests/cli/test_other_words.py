"""The options of other programs are explained by options that exist."""

import re

import pytest

from dh_project.cli.main import make_parser
from dh_project.cli.other_words import OPTIONS, SEARCHES

PARSERS = {parser.prog.partition(" ")[2]: parser for parser in make_parser().commands()}


def options_of(command):
    PARSERS[command].find_options()
    return [option for action in PARSERS[command]._actions for option in action.option_strings]


ALL = {option for command in PARSERS for option in options_of(command)}


@pytest.mark.parametrize(
    "text", [*(text for texts in OPTIONS.values() for text in texts), *SEARCHES.values()]
)
def test_every_answer_names_options_that_exist(text):
    assert set(re.findall(r"--[a-z-]+", text)) <= ALL


@pytest.mark.parametrize("word", [*OPTIONS, *SEARCHES])
def test_no_word_is_an_option_of_hps(word):
    assert word not in options_of("hps ambs")


@pytest.mark.parametrize(
    ("command", "word", "answer"),
    [
        ("submit polaris -n 1 -t 5", "--partition", "(here: --queue)"),
        ("train halides", "--max-epochs", "(here: --epochs)"),
        ("balsam-submit hps", "--num-nodes", "(here: --nodes)"),
        ("tasks show", "--restore", "unknown argument '--restore' (see"),
    ],
)
def test_each_command_answers_with_its_own_options(command, word, answer, capsys):
    with pytest.raises(SystemExit) as left:
        make_parser().parse_args([*command.split(), word, "1"])
    assert left.value.code == 2
    assert answer in capsys.readouterr().err
