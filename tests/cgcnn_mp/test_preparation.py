"""The file of graphs: built once, whole or not at all, mapped by all."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CRYSTALS, pack

from dh_project.cgcnn_mp import preparation
from dh_project.cgcnn_mp.crystals import FolderSource, find_source
from dh_project.cgcnn_mp.errors import DataError
from dh_project.cgcnn_mp.preparation import PreparedGraphs, prepare_graphs


def prepare(data: str | Path, cache: Path, count: int = 16) -> PreparedGraphs:
    return prepare_graphs(find_source(data, cache), 8.0, count, cache, progress=False)


def same(one: PreparedGraphs, other: PreparedGraphs) -> bool:
    tensors = ("elements", "neighbours", "distances", "first_atom")
    return one.ids == other.ids and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in tensors
    )


class UnreadableSource(FolderSource):
    """A folder whose structures may not be asked for."""

    def structures(self):
        raise AssertionError("structures are read a second time")


def graph_file(cache: Path) -> Path:
    (path,) = cache.glob("*.graphs.safetensors")
    return path


def test_graphs_lie_end_to_end_in_the_order_of_ids(folder: Path, tmp_path: Path):
    prepared = prepare(folder, tmp_path / "cache")
    assert prepared.ids == list(CRYSTALS)
    assert prepared.first_atom.tolist() == list(range(0, 25, 2))
    assert prepared.elements[:4].tolist() == [2, 8, 2, 16]
    assert prepared.distances.shape == prepared.neighbours.shape == (24, 16)
    assert (prepared.elements.dtype, prepared.neighbours.dtype) == (torch.uint8, torch.int16)
    assert (prepared.distances.dtype, prepared.first_atom.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_an_archive_gives_the_graphs_of_its_folder(folder: Path, tmp_path: Path, ending: str):
    assert same(prepare(folder, tmp_path / "one"), prepare(pack(folder, ending), tmp_path / "other"))


def test_a_second_call_reads_no_structure(folder: Path, tmp_path: Path):
    first = prepare(folder, tmp_path / "cache")
    again = prepare_graphs(UnreadableSource(folder), 8.0, 16, tmp_path / "cache")
    assert same(first, again)


def test_more_neighbours_are_another_file(folder: Path, tmp_path: Path):
    prepare(folder, tmp_path / "cache")
    assert prepare(folder, tmp_path / "cache", count=20).distances.shape == (24, 20)


def test_a_changed_cif_is_seen(folder: Path, tmp_path: Path):
    before = prepare(folder, tmp_path / "cache")
    (folder / "LiF.cif").write_bytes((folder / "RbBr.cif").read_bytes())
    assert not same(before, prepare(folder, tmp_path / "cache"))


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x" * 99]
)
def test_a_damaged_file_is_built_anew(folder: Path, tmp_path: Path, damage):
    prepare(folder, tmp_path / "one")
    path = graph_file(tmp_path / "one")
    path.write_bytes(damage(path.read_bytes()))
    assert same(prepare(folder, tmp_path / "one"), prepare(folder, tmp_path / "other"))


def test_another_sets_file_under_this_name_is_built_anew(folder: Path, tmp_path: Path):
    prepare(folder, tmp_path / "one")
    prepare(folder, tmp_path / "two", count=20)
    graph_file(tmp_path / "one").write_bytes(graph_file(tmp_path / "two").read_bytes())
    assert same(prepare(folder, tmp_path / "one"), prepare(folder, tmp_path / "other"))


def test_nothing_half_written_is_left_behind(folder: Path, tmp_path: Path):
    prepare(folder, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_ids_without_a_graph_are_left_out_with_their_reasons(folder: Path, tmp_path: Path):
    (folder / "LiF.cif").unlink()
    (folder / "NaCl.cif").write_text("garbage")
    prepared = prepare(folder, tmp_path / "cache")
    assert prepared.left_out.keys() == {"LiF", "NaCl"}
    assert prepared.left_out["LiF"] == "no readable file LiF.cif"
    assert len(prepared.ids) == len(CRYSTALS) - 2


def test_it_is_known_how_many_neighbours_every_atom_has(folder: Path, tmp_path: Path):
    assert prepare(folder, tmp_path / "cache").fewest_neighbours == 16
    source = find_source(folder, tmp_path)
    assert prepare_graphs(source, 3.0, 16, tmp_path / "cache", progress=False).fewest_neighbours < 16


def test_tensors_are_mapped_from_the_file_and_not_copied(folder: Path, tmp_path: Path):
    prepared = prepare(folder, tmp_path / "cache")
    maps = Path(f"/proc/{os.getpid()}/maps")
    if not maps.exists():
        pytest.skip("this system does not tell what is mapped")
    mapped = [
        line.split()[0]
        for line in maps.read_text().splitlines()
        if graph_file(tmp_path / "cache").name in line
    ]
    ranges = [tuple(int(end, 16) for end in span.split("-")) for span in mapped]
    for tensor in (prepared.elements, prepared.neighbours, prepared.distances, prepared.first_atom):
        assert any(begin <= tensor.data_ptr() < end for begin, end in ranges)


def test_two_processes_at_once_end_with_one_good_file(folder: Path, tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from test_preparation import prepare\n"
        "print(len(prepare(sys.argv[1], Path(sys.argv[2])).ids))"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    here = Path(__file__).parent
    both = [subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["12", "12"]
    assert graph_file(tmp_path / "cache").exists()


class ManyCells(FolderSource):
    """The same twelve crystals so often that worker processes are worth while."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._tables.ids[:] = [f"{identifier}#{n}" for n in range(100) for identifier in self._tables.ids]

    def structures(self):
        structures = {path.stem: path.read_bytes() for path in self._folder.glob("*.cif")}
        for identifier in self._tables.ids:
            yield identifier, structures[identifier.split("#")[0]]


def test_worker_processes_build_what_one_process_builds(folder: Path, tmp_path: Path):
    many = prepare_graphs(ManyCells(folder), 8.0, 16, tmp_path / "cache", progress=False)
    once = prepare(folder, tmp_path / "cache")
    assert torch.equal(many.distances[:24], once.distances)
    assert torch.equal(many.distances[-24:], once.distances)


def _prepare_many(folder: Path, cache: Path) -> None:
    assert len(prepare_graphs(ManyCells(folder), 8.0, 16, cache, progress=False).ids) == 1200


def test_a_daemonic_process_builds_without_children(folder: Path, tmp_path: Path):
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    process = context.Process(target=_prepare_many, args=(folder, tmp_path / "cache"), daemon=True)
    process.start()
    process.join(120)
    assert process.exitcode == 0


def test_a_script_without_a_main_guard_still_gets_its_graphs(folder: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_preparation import _prepare_many\n"
        f"_prepare_many(Path({str(folder)!r}), Path({str(tmp_path / 'cache')!r}))\n"
        "print('prepared')\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200)
    assert run.stdout.strip().endswith("prepared")


def test_one_line_is_shown_where_standard_error_is_no_terminal(
    folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(preparation, "WORTH_A_PROCESS", 1)  # as if the set were large
    prepare_graphs(FolderSource(folder), 8.0, 16, tmp_path / "cache")
    prepare_graphs(FolderSource(folder), 8.0, 16, tmp_path / "cache")
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert str(tmp_path / "cache") in shown.err
    assert shown.out == ""


def test_a_small_set_is_built_without_a_word(folder: Path, tmp_path: Path, capsys):
    prepare_graphs(FolderSource(folder), 8.0, 16, tmp_path / "cache")
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_folder_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(DataError, match="set DH_PROJECT_CACHE"):
        prepare(folder, tmp_path / "cache")


def test_a_cache_folder_that_is_a_file_is_an_error(folder: Path, tmp_path: Path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match="set DH_PROJECT_CACHE"):
        prepare(folder, tmp_path / "cache")
