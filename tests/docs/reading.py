"""A reader who does what a page says, line by line, in one shell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from environments import Environment
from literal_blocks import DOCS, REPOSITORY, Block, blocks_of

SHORTER = {
    r"--max-evals \d+": "--max-evals 2",
    r"\b(epochs|steps)=\d+": r"\1=1",
    r"--epochs \d+": "--epochs 2",
    r"--different-seeds \d+": "--different-seeds 2",
}
"""Two trials show what two hundred do."""

EPOCHS = " --run-kwargs epochs=1"
"""What a search is told that says nothing of its epochs."""


@dataclass(frozen=True)
class Page:
    """A page, and what its reader does otherwise here.

    Attributes:
        name: File name in ``docs``, or ``README.rst``.
        before: What the page takes as given: lines of shell; ``{crystals}`` being a folder of twelve CIF files.
        changes: What is typed in the place of a pattern; each has to occur.
        left_out: Beginnings of commands that are not typed, and why; each has to occur.
    """

    name: str
    before: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return (REPOSITORY if self.name == "README.rst" else DOCS) / self.name

    def commands(self) -> list[str]:
        """Return what is typed, in order."""
        blocks = blocks_of(self.path)
        every = [shortened(command) for block in blocks if not block.language for command in block.commands()]
        for beginning in self.left_out:
            assert any(each.startswith(beginning) for each in every), f"{self.name}: no longer: {beginning}"
        for pattern in self.changes:
            assert any(re.search(pattern, each) for each in every), f"{self.name}: no longer: {pattern}"
        return [line for block in blocks for line in self.typed(block)]

    def typed(self, block: Block) -> list[str]:
        """Return what a reader does with a block: makes the file that it names, or types its commands."""
        if named := re.match(r"# (\w+\.(?:py|toml))\n", block.text):
            return [f"cat > {named[1]} <<'END OF FILE'\n{block.text}\nEND OF FILE"]
        if block.language:
            return []
        return [self.changed(each) for each in block.commands() if not each.startswith(tuple(self.left_out))]

    def changed(self, command: str) -> str:
        """Return a command, cut short and with the page's own changes."""
        command = shortened(command)
        for pattern, instead in self.changes.items():
            command = re.sub(pattern, instead, command)
        return command


def shortened(command: str) -> str:
    """Return a command with fewer trials and epochs."""
    if "--max-evals" in command and "--run-kwargs" not in command:
        command += EPOCHS
    for pattern, instead in SHORTER.items():
        command = re.sub(pattern, instead, command)
    return command


def follow(page: Page, environment: Environment, folder: Path, crystals: Path) -> str:
    """Type a page's commands in one shell, which ends at the first that fails; return what they print."""
    before = page.before.replace("{crystals}", str(crystals))
    script = "\n".join(["set -eo pipefail", before, "set -v", *page.commands()])
    script = re.sub(r"^pytest ", f"{environment.python} -m pytest -q ", script, flags=re.MULTILINE)
    return environment.run("bash", "-c", script, cwd=folder, OMP_NUM_THREADS="1").stdout
