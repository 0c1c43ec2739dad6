"""The folders of site files, and the names of all sites. Completion imports this module, so it is quick to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

FOLDER_VARIABLE = "DH_PROJECT_SITES"
PACKAGE = Path(__file__).parent


def site_names() -> list[str]:
    """Return the names of all sites, including the user's own."""
    return sorted({file.stem for folder in site_folders() for file in folder.glob("*.toml")})


def site_folders() -> Iterator[Path]:
    """Yield the folders of site files, the user's own first."""
    if own := os.environ.get(FOLDER_VARIABLE):
        yield Path(os.path.expanduser(own))  # noqa: PTH111 (leaves the name of an unknown user)
    yield Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "dh_project" / "sites"
    yield PACKAGE
