"""The examples of docs/own_parts.rst, as a reader would copy them."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "own_parts.rst"


def blocks():
    """Return the page's code blocks, without their indentation."""
    found = re.findall(r"::\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


def test_the_stopper_passes_the_contract_as_it_stands(tmp_path):
    (tmp_path / "test_own.py").write_text("\n".join(blocks()))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
