"""The messages that docs/errors.rst explains are those of the program."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/errors.rst"
GAP = "…"
"""What stands on the page, and here in the place of each value in a message."""


def documented() -> list[str]:
    """Return the messages in the first columns of the page's tables."""
    found = re.findall(r"^   \* - ``(.+?)``\n     - ", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [" ".join(message.split()) for message in found if message != "m:reason"]


@cache
def written() -> list[str]:
    """Return all strings in the code, with a gap for each value that is put in."""
    return [text for path in (REPOSITORY / "dh_project").rglob("*.py") for text in strings(path)]


def strings(path: Path) -> Iterator[str]:
    """Yield the strings of a module, docstrings and other lone strings left out."""
    tree = ast.parse(path.read_text())
    lone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in lone:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)


def test_the_tables_are_found() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("   * - ")]
    titles = [line for line in rows if line in ("   * - message", "   * - ``m:reason``")]
    assert len(documented()) == len(rows) - len(titles) > 90


@pytest.mark.parametrize("message", documented())
def test_the_message_stands_in_the_code(message: str) -> None:
    pattern = re.compile(".*".join(re.escape(part) for part in message.split(GAP)), re.DOTALL)
    assert any(pattern.search(text) for text in written()), f"the code does not say: {message}"
