"""Reads installed versions from metadata, without importing the packages."""

from __future__ import annotations

import argparse
from typing import Any

from dh_project import __version__

NOT_INSTALLED = "not installed"

BESIDE = ("deephyper", "ray", "torch")
"""Packages whose versions ``--version`` prints. ``dh-project doctor`` prints more."""


def installed_version(name: str) -> str:
    """Return the version of a distribution, or ``not installed``."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return NOT_INSTALLED


class ShowVersions(argparse.Action):
    """``--version``: prints the versions of this project and of its main dependencies on one line."""

    def __init__(self, option_strings: list[str], **kwargs: Any) -> None:
        super().__init__(option_strings, nargs=0, **{**kwargs, "dest": argparse.SUPPRESS})

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Print the versions and exit."""
        others = ", ".join(f"{name} {installed_version(name)}" for name in BESIDE)
        print(f"dh_project {__version__} ({others})")
        parser.exit()
