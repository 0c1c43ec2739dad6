"""Child processes that make graphs."""

import pytest
from conftest import CRYSTALS

from dh_project.cgcnn_mp.errors import DataError
from dh_project.cgcnn_mp.graph_workers import Chunk, GraphWorker, build_chunk, build_in_parallel

CHUNKS: list[Chunk] = [[(name, structure.to(fmt="cif").encode())] for name, structure in CRYSTALS.items()]


def test_chunks_come_back_in_their_order():
    built = list(build_in_parallel(iter(CHUNKS), 8.0, 16, workers=3))
    assert [chunk[0][0] for chunk in built] == list(CRYSTALS)
    assert (built[3][0][1].distances == build_chunk(CHUNKS[3], 8.0, 16)[0][1].distances).all()


def test_a_reason_comes_back_where_there_is_no_graph():
    (((identifier, reason),),) = build_in_parallel([[("bad", b"garbage")]], 8.0, 16, workers=1)
    assert identifier == "bad"
    assert reason.startswith("unparsable CIF")


def test_a_dead_child_is_one_line_that_names_the_crystals():
    with GraphWorker(8.0, 16) as worker:
        worker.build(CHUNKS[0])
        worker._process.kill()
        with pytest.raises(DataError, match="status -9 between NaCl and NaCl"):
            worker.build(CHUNKS[4])


def test_no_child_outlives_its_worker():
    with GraphWorker(8.0, 16) as worker:
        child = worker._process
    assert child.poll() is not None


def test_a_child_ends_when_its_parent_is_gone():
    with GraphWorker(8.0, 16) as worker:
        worker.build(CHUNKS[0])
        worker._process.stdin.close()
        assert worker._process.wait(30) == 0
        worker._process.stdin = None
