"""Splitting crystals into a training, a validation and a test set.

A split by ratio depends only on the ids (or the groups) and the seed. It does not depend on the order of the
crystals, the platform, or the random numbers of a library.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from math import gcd, isfinite
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.sources import Location, listed

SET_NAMES = ("train", "valid", "test")

Split = tuple[list[int], list[int], list[int]]
"""The positions of the crystals of the training, validation and test set, ascending."""


def check_ratios(ratios: Sequence[float]) -> None:
    """Check the ratios of a split. The test ratio may be 0, and the sum may be less than 1.

    Raises:
        DataError: A ratio is out of range, or the sum is above 1.
    """
    train, valid, test = ratios
    if not all(map(isfinite, ratios)) or train <= 0 or valid <= 0 or test < 0 or sum(ratios) > 1 + 1e-9:
        raise DataError(
            f"cannot split {train:g}/{valid:g}/{test:g}: the train and valid ratios must be above 0, "
            "the test ratio 0 or more, and their sum at most 1"
        )


def split_by_ratio(groups: Sequence[str], ratios: Sequence[float], seed: int) -> Split:
    """Split crystals at random so that all crystals of a group are in the same set.

    The groups are sorted by a hash of the seed and the group. The sorted crystals are cut at the ratios. A group that
    lies across a cut goes to the set that contains its middle.

    Args:
        groups: The group of each crystal: its id, or the result of one of ``GROUPINGS``.
        ratios: Shares of training, validation and test crystals, valid for ``check_ratios``.
        seed: Seed of the split.

    Raises:
        DataError: A set with a ratio above 0 is empty.

    Example:
        >>> split_by_ratio(["a", "b", "c", "d", "e"], (0.6, 0.2, 0.2), seed=0)
        ([0, 1, 4], [2], [3])
    """
    sizes = Counter(groups)
    cuts = [sum(ratios[: position + 1]) * len(groups) for position in range(len(ratios))]
    set_of: dict[str, int] = {}
    begin = 0
    for group in sorted(sizes, key=lambda group: _digest(seed, group)):
        middle = begin + sizes[group] / 2
        set_of[group] = sum(middle > cut for cut in cuts)
        begin += sizes[group]
    split = tuple([i for i, group in enumerate(groups) if set_of[group] == which] for which in range(3))
    for name, rows, ratio in zip(SET_NAMES, split, ratios, strict=True):
        if ratio and not rows:
            raise DataError(
                f"the {name} set is empty: {len(groups)} crystals in {len(sizes)} groups are too few "
                f"for the ratio {ratio:g}; raise it or add crystals"
            )
    return split  # type: ignore[return-value]


def split_by_files(ids: Sequence[str], left_out: Collection[str], files: Sequence[Path]) -> Split:
    """Split crystals by three files with one id in each line.

    Args:
        ids: Ids of the usable crystals.
        left_out: Ids of unusable crystals. The files may name them; they are skipped.
        files: The files of the training, validation and test set.

    Raises:
        DataError: A file cannot be read or names an unknown id, an id occurs twice, or a set is empty.
    """
    row_of = {identifier: row for row, identifier in enumerate(ids)}
    seen: dict[str, Path] = {}
    split: Split = ([], [], [])
    for file, rows in zip(files, split, strict=True):
        for identifier in _lines(file):
            if identifier in seen:
                raise DataError(f"{identifier!r} is in {seen[identifier]} and again in {file}: keep one line")
            seen[identifier] = file
            if identifier in row_of:
                rows.append(row_of[identifier])
            elif identifier not in left_out:
                raise DataError(f"{file} names {identifier!r}, which is not in the data: remove it there")
        if not rows:
            raise DataError(f"{file} leaves its set empty: it names no usable crystal")
        rows.sort()
    return split


def split_file_paths(split_files: Location | Sequence[Location]) -> list[Path]:
    """Return the three files of a fixed split.

    Args:
        split_files: A folder with ``train.txt``, ``valid.txt`` and ``test.txt``, or the three paths, in a list or
            in one string with commas.

    Raises:
        DataError: ``split_files`` is neither.
    """
    paths = [dh.files.at_home(part) for part in listed(split_files)]
    if len(paths) == 1 and paths[0].is_dir():
        return [paths[0] / f"{name}.txt" for name in SET_NAMES]
    if len(paths) != len(SET_NAMES):
        names = ", ".join(f"{name}.txt" for name in SET_NAMES)
        raise DataError(
            f"split files {split_files}: give a folder with {names}, or three files in that order"
        )
    return paths


def reduced_composition(atomic_numbers: Sequence[int]) -> str:
    """Return the reduced composition of a cell: ``"11:1 17:1"`` for NaCl, whatever the size of its cell."""
    counts = Counter(atomic_numbers)
    divisor = gcd(*counts.values())
    return " ".join(f"{number}:{counts[number] // divisor}" for number in sorted(counts))


def chemical_system(atomic_numbers: Sequence[int]) -> str:
    """Return the elements of a cell: ``"11-17"`` for NaCl."""
    return "-".join(map(str, sorted(set(atomic_numbers))))


GROUPINGS: dict[str, Callable[[Sequence[int]], str]] = {
    "composition": reduced_composition,
    "chemical_system": chemical_system,
}
"""Functions from the atomic numbers in a cell to the crystal's group."""


def find_grouping(name: str) -> Callable[[Sequence[int]], str]:
    """Return a grouping by its name.

    Raises:
        DataError: The name is not in ``GROUPINGS``.
    """
    if name not in GROUPINGS:
        raise DataError(dh.errors.unknown_name("group_by", name, GROUPINGS))
    return GROUPINGS[name]


def _digest(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed} {group}".encode()).digest()


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the split file {file}: {error}") from None
    return [line.strip() for line in lines if line.strip()]
