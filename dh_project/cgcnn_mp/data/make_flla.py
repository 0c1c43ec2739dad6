"""Makes ``flla.npz`` from the source distribution of matminer 0.3.2.

Usage: ``python -m dh_project.cgcnn_mp.data.make_flla matminer-0.3.2.tar.gz``. The same input gives the same
bytes (with the same zlib). The file holds these arrays for C crystals of N atoms together:

- ``ids``: str (C,), Materials Project ids, in the table's order;
- ``atom_counts``: uint8 (C,);
- ``lattices``: int64 (C, 3, 3), rows a, b, c in units of 1e-8 Å;
- ``atomic_numbers``: uint8 (N,);
- ``fractional_coordinates``: int32 (N, 3), in units of 1e-8;
- ``formation_energy_per_atom``: float64 (C,), eV/atom;
- ``e_above_hull``: float64 (C,), eV/atom.

The table states lattices and coordinates with eight decimals, so the integers hold them exactly: divided by
1e8 they are the table's numbers to the last bit.
"""

from __future__ import annotations

import ast
import csv
import io
import sys
import tarfile
from pathlib import Path

import numpy as np

TABLE = "matminer-0.3.2/matminer/datasets/flla_2015.csv"
UNIT = 1e-8


def read_table(source_distribution: Path) -> list[dict[str, str]]:
    """Return the rows of the table. Its first line is a reference, not a header."""
    with tarfile.open(source_distribution) as archive:
        member = archive.extractfile(TABLE)
        if member is None:
            raise ValueError(f"{source_distribution} holds no {TABLE}")
        lines = io.TextIOWrapper(member, encoding="utf-8", newline="")
        next(lines)
        return list(csv.DictReader(lines))


def in_units(values: list[list[float]]) -> np.ndarray:
    """Return values as int64 multiples of ``UNIT``.

    Raises:
        ValueError: A value is no exact multiple.
    """
    exact = np.array(values, dtype=np.float64)
    counts = np.rint(exact / UNIT).astype(np.int64)
    if not np.array_equal(counts / round(1 / UNIT), exact):
        raise ValueError(f"the table holds a number with more decimals than {UNIT:g} can keep")
    return counts


def pack(rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """Return the arrays that the module's docstring lists."""
    from pymatgen.core import Element

    structures = [ast.literal_eval(row["structure"]) for row in rows]
    sites = [site for structure in structures for site in structure["sites"]]
    species = [site["species"] for site in sites]
    if any(len(kinds) != 1 or kinds[0]["occu"] != 1 for kinds in species):
        raise ValueError("the table holds a partly occupied site")
    return {
        "ids": np.array([row["material_id"] for row in rows]),
        "atom_counts": np.array([len(structure["sites"]) for structure in structures], dtype=np.uint8),
        "lattices": in_units([structure["lattice"]["matrix"] for structure in structures]),
        "atomic_numbers": np.array([Element(kinds[0]["element"]).Z for kinds in species], dtype=np.uint8),
        "fractional_coordinates": in_units([site["abc"] for site in sites]).astype(np.int32),
        "formation_energy_per_atom": np.array([float(row["formation_energy_per_atom"]) for row in rows]),
        "e_above_hull": np.array([float(row["e_above_hull"]) for row in rows]),
    }


def main() -> None:
    """Write ``flla.npz`` beside this file."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dh_project.cgcnn_mp.data.make_flla matminer-0.3.2.tar.gz")
    csv.field_size_limit(2**24)
    target = Path(__file__).with_name("flla.npz")
    np.savez_compressed(target, allow_pickle=False, **pack(read_table(Path(sys.argv[1]))))
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
