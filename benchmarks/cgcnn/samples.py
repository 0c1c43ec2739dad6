"""Folders of CIF files in the original CGCNN's layout, which every peer can read.

A sample is the first crystals of a data set in the order of its ``id_prop.csv``, of those with few enough atoms.
It is written once and kept in the cache folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from dh_project.cgcnn_mp.crystals.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals.sources import SHIPPED, Cell, Written, find_source

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "mp33k.tar.xz"
"""Materials Project crystals, where this clone has them beside it."""

CRYSTALS, MOST_ATOMS = 3000, 20


def default_data() -> str:
    """Return the Materials Project crystals if they are on this machine, else the data set that ships."""
    return str(ARCHIVE) if ARCHIVE.exists() else SHIPPED


def crystal_folder(data: str, crystals: int | None = None) -> Path:
    """Return a folder with ``id_prop.csv``, ``atom_init.json`` and a CIF file for each crystal.

    Args:
        data: ``"flla"``, a folder, or an archive. If its ``labels.csv`` has a column ``natoms``, crystals with more
            than ``MOST_ATOMS`` atoms are skipped.
        crystals: How many; None: all of flla, the first ``CRYSTALS`` of others.
    """
    if crystals is None:
        crystals = 10**9 if data == SHIPPED else CRYSTALS
    cache = default_cache_folder()
    kept = cache / "benchmarks" / f"{Path(data).name.partition('.')[0]}-{crystals}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as made:
            folder = Path(made) / "sample"
            folder.mkdir()
            _write_sample(data, crystals, cache, folder)
            folder.rename(kept)
    return kept


def read_ids(folder: Path) -> list[str]:
    """Return the ids of a sample, in its order."""
    return [line.split(",")[0] for line in (folder / "id_prop.csv").read_text().splitlines()]


def _write_sample(data: str, crystals: int, cache: Path, folder: Path) -> None:
    source = find_source(data, cache)
    tables = source.tables()
    (labels,) = tables.chosen_labels(None).values()
    sizes = tables.labels.get("natoms", {})
    ids = [one for one in tables.ids if float(sizes.get(one) or 0) <= MOST_ATOMS][:crystals]
    wanted = set(ids)
    for identifier, written in source.structures():
        if identifier in wanted:
            (folder / f"{identifier}.cif").write_bytes(_cif(written))
    (folder / "id_prop.csv").write_text("".join(f"{one},{labels[one]}\n" for one in ids))
    (folder / "atom_init.json").write_text(json.dumps(tables.element_features))


def _cif(written: Written) -> bytes:
    if not isinstance(written, Cell):
        return written
    from pymatgen.core import Structure

    return (
        Structure(written.lattice, written.atomic_numbers.tolist(), written.fractional_coordinates)
        .to(fmt="cif")
        .encode()
    )
