"""The graph file: built once, replaced in one step, and mapped by every process."""

import errno
import fcntl
import hashlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import many_cells
import pytest
import torch
from crystal_cells import glass, structure_of
from many_cells import ManyCells, prepare_many
from small_crystals import CRYSTALS, pack, write_folder

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.settings import TIES
from dh_project.cgcnn_mp.crystals.sources import FolderSource, find_source
from dh_project.cgcnn_mp.graphs import prepare as preparation
from dh_project.cgcnn_mp.graphs.graph_file import PreparedGraphs
from dh_project.cgcnn_mp.graphs.prepare import prepare_graphs

pytestmark = pytest.mark.slow


def prepare(data: str | Path, cache: Path, count: int = 16, **options) -> PreparedGraphs:
    return prepare_graphs(find_source(data, cache), 8.0, count, cache, progress=False, **options)


def same(one: PreparedGraphs, other: PreparedGraphs) -> bool:
    return one.ids == other.ids and all(
        torch.equal(array, other.arrays[name]) for name, array in one.arrays.items()
    )


class UnreadableSource(FolderSource):
    """A folder that fails if its structures are read."""

    def structures(self):
        raise AssertionError("structures are read a second time")


def graph_file(cache: Path) -> Path:
    (path,) = cache.glob("*.graphs.safetensors")
    return path


def test_graphs_lie_end_to_end_in_the_order_of_ids(folder: Path, tmp_path: Path):
    prepared = prepare(folder, tmp_path / "cache")
    arrays = prepared.arrays
    assert prepared.ids == list(CRYSTALS)
    assert arrays["class_counts"].tolist() == [2] * 12
    assert arrays["elements"][:4].tolist() == [2, 8, 2, 16]
    assert arrays["repeats"][:4].tolist() == [6, 10, 6, 10]
    assert arrays["distance_counts"].sum() == len(arrays["distances"])
    assert arrays["edge_counts"].sum() == len(arrays["neighbours"]) == len(arrays["shells"])


def test_each_array_is_of_the_narrowest_type(folder: Path, tmp_path: Path):
    arrays = prepare(folder, tmp_path / "cache").arrays
    assert arrays.pop("distances").dtype == torch.float32
    assert {array.dtype for array in arrays.values()} == {torch.uint8}
    write_folder(tmp_path / "glass", {"glass": structure_of(glass(300))})
    arrays = prepare(tmp_path / "glass", tmp_path / "cache").arrays
    assert arrays["neighbours"].dtype == arrays["shells"].dtype == torch.int16
    assert arrays["repeats"].dtype == torch.uint8


def test_without_quotient_every_atom_is_there(tmp_path: Path):
    assert prepare("flla", tmp_path, quotient=False).arrays["elements"].shape == (46488,)
    assert prepare("flla", tmp_path).arrays["multiplicities"].sum() == 46488


def test_the_originals_ties_are_a_file_of_their_own(folder: Path, tmp_path: Path):
    ours = prepare(folder, tmp_path / "cache")
    original = prepare(folder, tmp_path / "cache", ties="pymatgen")
    assert original.arrays["edge_counts"].tolist() == [16] * 24
    assert ours.arrays["edge_counts"].tolist() == [2] * 24


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_an_archive_gives_the_graphs_of_its_folder(folder: Path, tmp_path: Path, ending: str):
    assert same(prepare(folder, tmp_path / "one"), prepare(pack(folder, ending), tmp_path / "other"))


def test_a_second_call_reads_no_structure(folder: Path, tmp_path: Path):
    first = prepare(folder, tmp_path / "cache")
    again = prepare_graphs(UnreadableSource(folder), 8.0, 16, tmp_path / "cache")
    assert same(first, again)


def test_more_neighbours_are_another_file(folder: Path, tmp_path: Path):
    prepare(folder, tmp_path / "cache")
    more = prepare(folder, tmp_path / "cache", count=20).arrays
    assert more["repeats"].sum() == 24 * 20


def test_another_version_of_pymatgen_reads_anew(folder: Path, tmp_path: Path, monkeypatch):
    prepare(folder, tmp_path / "cache")
    monkeypatch.setattr(preparation, "version", lambda package: f"another {package}")
    prepare(folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 2


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
    name = graph_file(tmp_path / "cache").name
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {name, f"{name}.sha256", f"{name}.lock"}


def test_ids_without_a_graph_are_left_out_with_their_reasons(folder: Path, tmp_path: Path):
    (folder / "LiF.cif").unlink()
    (folder / "NaCl.cif").write_text("garbage")
    prepared = prepare(folder, tmp_path / "cache")
    assert prepared.left_out.keys() == {"LiF", "NaCl"}
    assert prepared.left_out["LiF"] == "no readable file LiF.cif"
    assert len(prepared.ids) == len(CRYSTALS) - 2


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
    for tensor in prepared.arrays.values():
        assert any(begin <= tensor.data_ptr() < end for begin, end in ranges)


def test_two_processes_at_once_end_with_one_good_file(folder: Path, tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from many_cells import prepare_many\n"
        "print(prepare_many(*map(Path, sys.argv[1:])))"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    here = Path(many_cells.__file__).parent
    both = [subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["1200", "1200"]
    assert graph_file(tmp_path / "cache").exists()


@pytest.fixture
def many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use worker processes even for few crystals."""
    monkeypatch.setattr(preparation, "WORTH_A_PROCESS", dict.fromkeys(TIES, 300))
    monkeypatch.setattr("dh_project.common.cores.available_cores", lambda: 3)


def test_worker_processes_write_the_file_that_one_process_writes(folder: Path, tmp_path: Path, request):
    prepare_graphs(ManyCells(folder), 8.0, 16, tmp_path / "one", progress=False)
    request.getfixturevalue("many_processes")
    prepare_graphs(ManyCells(folder), 8.0, 16, tmp_path / "other", progress=False)
    assert graph_file(tmp_path / "one").read_bytes() == graph_file(tmp_path / "other").read_bytes()


class AnotherOrder(FolderSource):
    """A folder that yields its crystals in another order."""

    def structures(self):
        yield from reversed(list(super().structures()))


def test_the_order_of_streaming_changes_not_a_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "NaCl.cif").write_text("garbage")
    prepare(folder, tmp_path / "one")
    monkeypatch.setattr(preparation, "CHUNK", dict.fromkeys(TIES, 5))
    prepare_graphs(AnotherOrder(folder), 8.0, 16, tmp_path / "other", progress=False)
    assert graph_file(tmp_path / "one").read_bytes() == graph_file(tmp_path / "other").read_bytes()


def test_without_locks_the_file_is_still_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def without_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without_locks)
    assert prepare(folder, tmp_path / "cache").ids == list(CRYSTALS)


def leave_room(size: int) -> None:
    """Limit the size of files that this process writes, like a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _prepare_on_a_full_disk(folder: Path, cache: Path, size: int) -> None:
    leave_room(size)
    with pytest.raises(DataError, match=r"cannot write to the cache folder .* set DH_PROJECT_CACHE"):
        prepare(folder, cache)


@pytest.mark.parametrize("size", [100, 1200])
def test_a_full_disk_is_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, size: int):
    """Both while graphs are collected and while the file is written."""
    prepare(folder, tmp_path / "cache")
    old = graph_file(tmp_path / "cache")
    content, names = old.read_bytes(), set((tmp_path / "cache").iterdir())
    (folder / "LiF.cif").write_bytes((folder / "RbBr.cif").read_bytes())  # another file is to be written
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_prepare_on_a_full_disk, args=(folder, tmp_path / "cache", size))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert old.read_bytes() == content
    assert {path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"} == {
        path for path in names if path.suffix != ".lock"
    }


def _prepare_many(folder: Path, cache: Path) -> None:
    assert prepare_many(folder, cache) == 1200


def test_a_daemonic_process_builds_without_children(folder: Path, tmp_path: Path):
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    process = context.Process(target=_prepare_many, args=(folder, tmp_path / "cache"), daemon=True)
    process.start()
    process.join(120)
    assert process.exitcode == 0


def test_a_script_without_a_main_guard_still_gets_its_graphs(folder: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(many_cells.__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from many_cells import prepare_many\n"
        f"print(prepare_many(Path({str(folder)!r}), Path({str(tmp_path / 'cache')!r})))\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200)
    assert run.stdout.strip() == "1200"


def test_progress_is_one_line_if_standard_error_is_no_terminal(
    folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(preparation, "WORTH_A_BAR", 1)  # show progress even for a small set
    prepare_graphs(FolderSource(folder), 8.0, 16, tmp_path / "cache")
    prepare_graphs(FolderSource(folder), 8.0, 16, tmp_path / "cache")
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert str(tmp_path / "cache") in shown.err
    assert shown.out == ""


def test_no_progress_is_shown_for_a_small_set(folder: Path, tmp_path: Path, capsys):
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


GRAPHS_OF_FORMAT = ("dh_project crystal graphs 5", "c9778beac065e7c6")


def test_changed_graphs_have_another_format(folder: Path, tmp_path: Path):
    """If this fails, increase FORMAT and note both values here. Otherwise users keep the old cached graphs."""
    arrays = prepare(folder, tmp_path / "cache").arrays
    digest = hashlib.sha256()
    for name in sorted(
        arrays.keys() - {"distances"}
    ):  # the last bit of the distances depends on the processor
        digest.update(arrays[name].long().numpy().astype("<i8").tobytes())
    assert (preparation.FORMAT, digest.hexdigest()[:16]) == GRAPHS_OF_FORMAT
