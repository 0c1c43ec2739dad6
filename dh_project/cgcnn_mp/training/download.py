"""Downloading checkpoints from the web into the cache folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import dh_project as dh
from dh_project.cgcnn_mp.crystals.cache import default_cache_folder, unwritable
from dh_project.cgcnn_mp.training.checkpoint import CheckpointError, load_checkpoint

SECONDS = 30.0
"""Longest time without data from the server, in seconds."""

LARGEST = 2**30
"""Largest size of a checkpoint in bytes; those of this network have a few MB."""


def is_url(text: str) -> bool:
    """Return whether the name of a checkpoint is a web address."""
    return text.startswith(("http://", "https://"))


def download_checkpoint(url: str) -> Path:
    """Download a checkpoint and return its path in the cache folder.

    An older download from this address is kept until the new one is complete.

    Raises:
        UserError: The address cannot be reached, or the file is no checkpoint. No code in it is run.
        DataError: The cache folder cannot be written to.
    """
    name = _file_name(url)
    folder = default_cache_folder() / "checkpoints" / hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with dh.files.replacing(folder / name) as aside:
            _fetch(url, aside)
            try:
                load_checkpoint(aside)
            except CheckpointError as error:
                raise dh.UserError(str(error).replace(str(aside), url)) from None
    except OSError as error:
        raise unwritable(folder, error) from None
    return folder / name


def _file_name(url: str) -> str:
    """Return a file name that any file system can hold, like the last part of an address."""
    last = PurePosixPath(unquote(url.partition("?")[0].partition("#")[0])).name
    return re.sub(r"[^\w.+-]", "_", last, flags=re.ASCII).lstrip(".")[-100:] or "checkpoint"


def _fetch(url: str, path: Path) -> None:
    """Download an address into a file.

    Raises:
        UserError: The address cannot be read.
        OSError: The file cannot be written.
    """
    import httpx

    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=SECONDS) as answer,
            path.open("wb") as file,
        ):
            if answer.is_error:
                raise dh.UserError(f"{url} cannot be fetched: {answer.status_code} {answer.reason_phrase}")
            for chunk in answer.iter_bytes():
                file.write(chunk)
                if file.tell() > LARGEST:
                    raise dh.UserError(
                        f"{url} gives more than {LARGEST:,} bytes, which is no checkpoint of this network"
                    )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = dh.errors.one_line(error).rstrip(".") or type(error).__name__
        raise dh.UserError(
            f"{url} cannot be reached: {why}; check the address, or fetch the file yourself and name it"
        ) from None
