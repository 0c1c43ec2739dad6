"""What the commands that speak with a Balsam server share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError

if TYPE_CHECKING:
    import argparse

    from dh_project.hpc.balsam.client.client import BalsamClient

NO_BALSAM = (
    "Balsam: no folder is activated; deephyper balsam-init DIR sets one up (deephyper submit needs none)"
)


def add_site_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a Balsam folder other than the activated one."""
    parser.add_argument_group("the Balsam server").add_argument(
        "--site", type=Path, metavar="DIR", help="folder of balsam-init (the one that is activated)"
    )


def is_named_or_active(folder: Path | None) -> bool:
    """Return whether a Balsam folder is named on the command line or activated in this shell."""
    from dh_project.hpc.balsam.install.installation import has_active_installation

    return folder is not None or has_active_installation()


@contextmanager
def balsam_server(folder: Path | None) -> Iterator[BalsamClient]:
    """Yield a client of the server; a refusal of the server becomes one line of error.

    Args:
        folder: The Balsam folder; None for the activated one.
    """
    from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
    from dh_project.hpc.balsam.install.installation import active_installation

    with RefusalsAreMistakes(), BalsamClient.of(active_installation(folder)) as client:
        yield client


def job_ids(words: Iterable[str]) -> tuple[int, ...]:
    """Return the numbers of jobs. They are read after the options, so that a misspelt option is reported first.

    Raises:
        UserError: A word is not a number.
    """
    ids = []
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word):
            raise UserError(f"{word!r} is no number of a Balsam job; list them with: deephyper tasks show")
        ids.append(int(word))
    return tuple(ids)
