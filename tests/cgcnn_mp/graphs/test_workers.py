"""Child processes that build graphs."""

import numpy as np
import pytest
from small_crystals import CRYSTALS

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.graphs import workers as graph_workers
from dh_project.cgcnn_mp.graphs.workers import Chunk, GraphRecipe, GraphWorker, build_chunk, build_in_parallel

pytestmark = pytest.mark.slow

CHUNKS: list[Chunk] = [[(name, structure.to(fmt="cif").encode())] for name, structure in CRYSTALS.items()]
RECIPE = GraphRecipe(8.0, 16)


@pytest.mark.parametrize("recipe", [RECIPE, GraphRecipe(6.0, 12, "pymatgen", False)])
def test_chunks_come_back_in_their_order_as_one_process_makes_them(recipe: GraphRecipe):
    built = list(build_in_parallel(iter(CHUNKS), recipe, workers=3))
    assert [chunk.ids for chunk in built] == [[name] for name in CRYSTALS]
    for chunk, there in zip(CHUNKS, built, strict=True):
        for ours, theirs in zip(build_chunk(chunk, recipe).arrays, there.arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs, strict=True)


def test_the_reason_of_an_unusable_crystal_is_returned():
    (built,) = build_in_parallel([[("bad", b"garbage"), CHUNKS[0][0]]], RECIPE, workers=1)
    assert built.ids == ["bad", "LiF"]
    assert built.reasons[0].startswith("unparsable CIF")
    assert built.arrays.class_counts.tolist() == [0, 2]


def test_a_dead_child_is_one_line_that_names_the_crystals():
    with GraphWorker(RECIPE) as worker:
        worker.build(CHUNKS[0])
        worker._process.kill()
        with pytest.raises(DataError, match="status -9 between NaCl and NaCl"):
            worker.build(CHUNKS[4])


def test_an_invalid_answer_does_not_hang(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graph_workers, "PATIENCE", 0.1)
    with GraphWorker(RECIPE) as worker:
        monkeypatch.setattr(worker._process, "stdout", open("/dev/zero", "rb"))  # noqa: PTH123, SIM115
        with pytest.raises(DataError, match="between NaCl and NaCl"):
            worker.build(CHUNKS[4])
        worker._process.stdout.close()


def test_no_child_outlives_its_worker():
    with GraphWorker(RECIPE) as worker:
        child = worker._process
    assert child.poll() is not None


def test_a_child_ends_when_its_parent_is_gone():
    with GraphWorker(RECIPE) as worker:
        worker.build(CHUNKS[0])
        worker._process.stdin.close()
        assert worker._process.wait(30) == 0
        worker._process.stdin = None
