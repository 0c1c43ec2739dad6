"""The literal blocks of a page, as docutils reads it.

A block that names no language holds commands that a reader types, line by line; all others name theirs.
"""

from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"

QUIET = {"report_level": 5, "halt_level": 5, "input_encoding": "utf-8", "syntax_highlight": "none"}
"""Settings with which Sphinx's own roles and directives do not disturb."""

AUTODOC = {"autoclass", "autodata", "autoexception", "autofunction", "automodule", "currentmodule"}

SPHINX = {"toctree", "literalinclude", *AUTODOC}
"""Directives that only Sphinx knows, and that hold no commands."""


@dataclass(frozen=True)
class Block:
    """A literal block: its language, empty for commands, and its text."""

    language: str
    text: str

    def commands(self) -> list[str]:
        """Return its commands, each on one line; a line that is a comment is none."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    """Return the literal blocks of a page, in their order.

    Raises:
        ValueError: A directive is not known, so that nobody can say what is in it.
    """
    tree = publish_doctree(page.read_text(), source_path=str(page), settings_overrides=QUIET)
    for message in tree.findall(nodes.system_message):
        said = message.astext()
        if "Unknown directive" in said and not any(f'"{known}"' in said for known in SPHINX):
            raise ValueError(f"{page.name}: {said}")
    found = [
        block
        for block in tree.findall(nodes.literal_block)
        if not isinstance(block.parent, nodes.system_message)
    ]
    return [Block(" ".join(set(block["classes"]) - {"code"}), block.astext()) for block in found]


def commands_of(page: Path) -> list[str]:
    """Return all commands of a page, in their order."""
    return [command for block in blocks_of(page) if not block.language for command in block.commands()]
