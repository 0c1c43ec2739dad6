"""The settings of a data set: which crystals and labels, how graphs are cut, and how the crystals are split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Self

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.sources import SHIPPED, Location
from dh_project.cgcnn_mp.crystals.splits import check_ratios, find_grouping

LIKE_ORIGINAL = ("pymatgen", "original")
TIES = ("environment", *LIKE_ORIGINAL)
"""The rules for choosing among equally far neighbours: see ``symmetry.py`` and ``original_graphs.py``."""


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Everything that defines the training, validation and test sets.

    ``load_data`` and ``model_run.run`` take these names as keyword arguments. In ``run``, ``max_num_nbr`` is a
    hyperparameter and comes with the point.

    >>> DataSettings(data="crystals", label="band_gap", max_num_nbr=8).radius
    8.0

    Attributes:
        data: ``"flla"``, the 3,938 crystals that ship with the package; or a folder in the original CGCNN's layout
            (``id_prop.csv``, one ``<id>.cif`` for each id, optionally ``labels.csv`` and ``atom_init.json``); or a
            tar file, compressed or not, of one such folder. In a list, or in one string with commas, the first
            that exists is used.
        label: ``formation_energy_per_atom`` or ``e_above_hull`` (eV/atom) of ``flla``, or a column of
            ``labels.csv``. None: the first of these two, or the label of ``id_prop.csv``. Several labels, in a list
            or in one string with commas, are learnt at once, from the crystals that have all of them.
        max_num_nbr: Nearest neighbours of each atom, at most.
        radius: Cutoff radius, Å.
        ties: Rule for choosing among equally far neighbours when not all of them fit into ``max_num_nbr``:
            ``environment`` chooses by their surroundings, so the order of the atoms does not matter; ``pymatgen``
            chooses as the original CGCNN does; ``original`` also fills up missing neighbours as that does, with edges
            to the first atom.
        quotient: Whether symmetry-equivalent atoms are stored as one. The results are the same; it is faster.
        train_ratio: Share of training crystals, above 0.
        val_ratio: Share of validation crystals, above 0.
        test_ratio: Share of test crystals; 0 gives an empty test set. If the three add up to less than 1, the
            other crystals stay unused.
        split_seed: Seed of the random split.
        split_files: A folder with ``train.txt``, ``valid.txt`` and ``test.txt``, one id in each line, or three such
            files. If given, the ratios and the seed have no effect.
        group_by: ``composition`` puts all crystals with the same reduced formula into the same set;
            ``chemical_system`` all crystals with the same elements. None: each crystal is placed on its own. It
            cannot be combined with ``split_files``.
        max_lost_share: The largest share of unusable crystals that is accepted, with a warning.
        cache_folder: Folder in which prepared graphs are kept; None: ``$DH_PROJECT_CACHE``, or else
            ``dh_project`` in the user's cache folder.

    Raises:
        DataError: A value is invalid.
    """

    data: Location | Sequence[Location] = SHIPPED
    label: str | Sequence[str] | None = None
    max_num_nbr: int = 12
    radius: float = 8.0
    ties: str = "environment"
    quotient: bool = True
    train_ratio: float = 0.6
    val_ratio: float = 0.2
    test_ratio: float = 0.2
    split_seed: int = 0
    split_files: Location | Sequence[Location] | None = None
    group_by: str | None = None
    max_lost_share: float = 0.05
    cache_folder: Location | None = None

    def __post_init__(self) -> None:
        if self.max_num_nbr < 1 or int(self.max_num_nbr) != self.max_num_nbr:
            raise DataError(f"max_num_nbr is {self.max_num_nbr}: give a whole number from 1 on")
        if not (isfinite(self.radius) and self.radius > 0):
            raise DataError(f"radius is {self.radius}: give a length in Å above 0")
        if self.ties not in TIES:
            raise DataError(dh.errors.unknown_name("ties", self.ties, TIES))
        check_ratios(self.ratios)
        if self.group_by is not None:
            find_grouping(self.group_by)
            if self.split_files is not None:
                raise DataError("split files and group_by exclude each other: leave one out")

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """Return settings from keyword arguments that a user typed.

        Raises:
            DataError: A name is no setting, or a value is invalid.
        """
        names = [field.name for field in fields(cls)]
        for name in settings:
            if name not in names:
                raise DataError(dh.errors.unknown_name("argument", name, names))
        return cls(**settings)

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Shares of the training, validation and test set."""
        return self.train_ratio, self.val_ratio, self.test_ratio
