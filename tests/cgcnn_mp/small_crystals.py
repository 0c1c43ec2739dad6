"""Tiny data sets in the original CGCNN's layout."""

import tarfile
from pathlib import Path

import pytest
from pymatgen.core import Structure
from rock_salt import halides

SHARED_ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "mp33k.tar.xz"

needs_shared_archive = pytest.mark.skipif(
    not SHARED_ARCHIVE.exists(), reason=f"no ../shared/data/{SHARED_ARCHIVE.name}"
)


CRYSTALS = halides()


def write_folder(folder: Path, crystals: dict[str, Structure], labels: dict[str, str] | None = None) -> Path:
    """Write crystals and labels. By default, the label of the n-th crystal is n."""
    folder.mkdir()
    for identifier, structure in crystals.items():
        structure.to(str(folder / f"{identifier}.cif"), fmt="cif")
    if labels is None:
        labels = {identifier: str(position) for position, identifier in enumerate(crystals)}
    (folder / "id_prop.csv").write_text(
        "".join(f"{identifier},{label}\n" for identifier, label in labels.items())
    )
    return folder


def pack(folder: Path, ending: str) -> Path:
    """Pack a folder into a tar file beside it."""
    archive = folder.with_name(f"{folder.name}.tar{ending}")
    with tarfile.open(archive, f"w:{ending.removeprefix('.')}") as tar:
        tar.add(folder, folder.name)
    return archive
