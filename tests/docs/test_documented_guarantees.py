"""Guarantees name tests that exist, dependencies are explained, and files that a page names exist."""

import re
import shlex
from importlib.util import find_spec

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from literal_blocks import DOCS, QUIET, REPOSITORY, commands_of

from dh_project.cli import analytics, main

PATH = re.compile(r"(?:tests|benchmarks|dh_project|docs)/[\w./]*\w")


def tree_of(page):
    return publish_doctree((DOCS / page).read_text(), settings_overrides=QUIET)


def literals(node):
    """Return what stands between double backquotes."""
    return [literal.astext() for literal in node.findall(nodes.literal)]


def test_each_promise_names_a_test():
    sections = [
        node
        for node in tree_of("guarantees.rst").findall(nodes.section)
        if node["names"][0] != "not guaranteed"
    ]
    promises = [item for section in sections for item in section.findall(nodes.list_item)]
    assert len(promises) > 25
    silent = [
        item.astext() for item in promises if not any(word.startswith("tests/") for word in literals(item))
    ]
    assert not silent


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.rst")), ids=lambda page: page.name)
def test_files_of_this_repository_that_a_page_names_are_there(page):
    for word in literals(tree_of(page.name)):
        path, _, test = word.partition("::")
        if PATH.fullmatch(path):
            named = REPOSITORY / path
            assert named.exists() or (REPOSITORY / "dh_project" / path).exists(), word
            assert not test or f"def {test}(" in named.read_text(), word


def test_every_dependency_is_explained():
    names = {"pyyaml": "PyYAML", "torch": "PyTorch"}
    setup = (REPOSITORY / "setup.py").read_text()
    required = re.findall(r'"([\w-]+)', re.search(r"install_requires=\[(.*?)\],", setup, re.DOTALL)[1])
    rows = [row.children[0].astext().lower() for row in tree_of("dependencies.rst").findall(nodes.row)]
    assert len(required) > 20
    assert not {names.get(name, name).lower() for name in required} - set(rows)


def test_every_command_of_the_programs_is_typed_on_a_page():
    shown = "\n".join(command for page in DOCS.glob("*.rst") for command in commands_of(page))
    programs = [
        parser.prog for root in (main.make_parser(), analytics.make_parser()) for parser in root.commands()
    ]
    assert len(programs) > 15
    assert not [prog for prog in programs if prog not in shown.replace("dh-project", "deephyper")]


@pytest.mark.parametrize("command", commands_of(REPOSITORY / "README.rst"))
def test_a_command_of_the_readme_is_one_that_the_programs_know(command):
    """They are not run: the pages to which README leads have the same ones, and those are."""
    words = shlex.split(command, comments=True)
    if words[0] == "mpiexec":
        words = words[3:]
    match words:
        case ["deephyper", *options]:
            main.make_parser().parse_args(options)
        case ["deephyper-analytics", *options]:
            analytics.make_parser().parse_args(options)
        case ["python", "-m", module, *_]:
            assert find_spec(module)
        case ["make", target]:
            assert f"\n{target}:" in (REPOSITORY / "Makefile").read_text()
        case _:
            assert words in (["cd", "demo/demo"], ["source", "polydb/activate"])
