"""Which versions are installed, as their metadata say: nothing is imported to know them."""

from __future__ import annotations

import argparse
from typing import Any

from dh_project import __version__

NOT_INSTALLED = "not installed"

BESIDE = ("deephyper", "ray", "torch")
"""What does the work; ``dh-project doctor`` says more."""


def installed_version(name: str) -> str:
    """Return a distribution's version, or that there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return NOT_INSTALLED


class ShowVersions(argparse.Action):
    """``--version``: prints this project's version and those of what it stands on, on one line."""

    def __init__(self, option_strings: list[str], **kwargs: Any) -> None:
        super().__init__(option_strings, nargs=0, **{**kwargs, "dest": argparse.SUPPRESS})

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Print, and exit."""
        others = ", ".join(f"{name} {installed_version(name)}" for name in BESIDE)
        print(f"dh_project {__version__} ({others})")
        parser.exit()
