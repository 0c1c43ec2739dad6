"""A data set that is large enough for worker processes, made of few crystals. It is fast to import."""

from collections.abc import Iterator
from pathlib import Path

from dh_project.cgcnn_mp.crystals.sources import FolderSource
from dh_project.cgcnn_mp.graphs import prepare as preparation


class ManyCells(FolderSource):
    """The crystals of a folder, each a hundred times."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._tables.ids[:] = [f"{identifier}#{n}" for n in range(100) for identifier in self._tables.ids]

    def structures(self) -> Iterator[tuple[str, bytes]]:
        structures = {path.stem: path.read_bytes() for path in self._folder.glob("*.cif")}
        for identifier in self._tables.ids:
            yield identifier, structures[identifier.split("#")[0]]


def prepare_many(folder: Path, cache: Path) -> int:
    """Build the graphs of many cells in worker processes, and return their number."""
    preparation.WORTH_A_PROCESS["environment"] = 300
    return len(preparation.prepare_graphs(ManyCells(folder), 8.0, 16, cache, progress=False).ids)
