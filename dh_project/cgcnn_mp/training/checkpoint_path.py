"""Which checkpoint file a user names: a path, a web address, a training folder, or a trial of a search."""

from __future__ import annotations

from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.training.download import download_checkpoint, is_url
from dh_project.cgcnn_mp.training.saving import BEST, LAST

ALIASES = {"best": BEST, "last": LAST}
"""Short names of the checkpoint files of a training."""


def find_checkpoint(text: str, name: str = BEST) -> Path:
    """Return the checkpoint file that a user names.

    Args:
        text: A web address, or what ``dh.find_file`` takes: a file, a training folder, ``SEARCH:TRIAL`` or
            ``SEARCH:TRIAL:FILE``. FILE can be ``best`` (weights of the best epoch) or ``last`` (state after the last
            epoch).
        name: The file to take if ``text`` names only a folder or a trial: ``best.pt`` or ``last.pt``.

    Returns:
        The path of the file. A web address is downloaded first.

    Raises:
        UserError: There is no such checkpoint.
    """
    if is_url(text):
        return download_checkpoint(text)
    return dh.find_file(text, name, ALIASES, what="checkpoint")
