"""The examples in docstrings run, and print what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def modules_with_examples():
    """Return the names of all modules whose docstrings have an interactive example."""
    paths = sorted((REPOSITORY / "dh_project").rglob("*.py"))
    found = [path.relative_to(REPOSITORY).with_suffix("") for path in paths if ">>> " in path.read_text()]
    return [".".join(path.parts).removesuffix(".__init__") for path in found]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_run(name):
    module = import_module(name)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said = []
    for example in finder.find(module):
        runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
