"""A node's own copy of a prepared file: copied once, verified, and mapped by every trial on the node."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.node_copy import make_copy
from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.trial.reporting import Connection, connect
from dh_project.trial.scratch import VARIABLE

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def in_a_trial(tmp_path):
    connection = Connection()
    connection.folder = tmp_path
    connect(connection)
    yield
    connect(Connection())


def only(paths):
    (path,) = paths
    return path


def shared(cache):
    return only(cache.glob("*.graphs.safetensors"))


def copied(place):
    return only(place.glob("dh_project-*/shared/*.graphs.safetensors"))


def same_as_without(folder, cache, monkeypatch, graphs):
    monkeypatch.delenv(VARIABLE)
    expected = label_graphs(DataSettings(data=folder, cache_folder=cache)).graphs
    return torch.equal(graphs.distances, expected.distances) and graphs.ids == expected.ids


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_a_trial_maps_its_node_s_copy_and_not_the_shared_file(folder, cache, place, monkeypatch):
    graphs = label_graphs(DataSettings(data=folder, cache_folder=cache)).graphs
    mapped = Path("/proc/self/maps").read_text()
    assert str(copied(place)) in mapped
    assert str(shared(cache)) not in mapped
    assert same_as_without(folder, cache, monkeypatch, graphs)


def test_the_copy_has_the_hash_that_was_recorded_for_the_shared_file(folder, cache, place):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    digest = hashlib.sha256(copied(place).read_bytes()).hexdigest()
    record = shared(cache).with_name(f"{shared(cache).name}.sha256")
    assert record.read_text() == f"{digest}  {shared(cache).name}\n"
    assert json.loads(copied(place).with_name(f"{copied(place).name}.json").read_text())["sha256"] == digest


def test_later_trials_do_not_touch_the_shared_file(folder, cache, place):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    shared(cache).unlink()
    before = copied(place).stat().st_ino
    assert len(label_graphs(DataSettings(data=folder, cache_folder=cache)).usable) == 12
    assert copied(place).stat().st_ino == before
    assert not list(cache.glob("*.graphs.safetensors"))


@pytest.mark.parametrize("damage", ["torn", "other content", "no record", "a torn record"])
def test_a_damaged_copy_is_made_again(folder, cache, place, damage):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    copy, content = copied(place), shared(cache).read_bytes()
    facts = copy.with_name(f"{copy.name}.json")
    match damage:
        case "torn":
            os.truncate(copy, len(content) // 2)
        case "other content":
            copy.write_bytes(content[:-4] + b"\xff" * 4)
        case "no record":
            facts.unlink()
        case "a torn record":
            facts.write_text(facts.read_text()[:5])
    before = copy.stat().st_ino
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    assert copied(place).read_bytes() == content
    assert copied(place).stat().st_ino != before


def test_a_shared_file_that_has_changed_is_refused(folder, cache, place, in_a_trial):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    content = shared(cache).read_bytes()
    copied(place).unlink()
    shared(cache).write_bytes(content[:-4] + b"\xff" * 4)
    with pytest.raises(DataError, match=r"has changed since it was prepared: remove it, and begin again"):
        make_copy(shared(cache))
    assert not list(place.glob("dh_project-*/shared/*.graphs.safetensors"))


def test_a_file_whose_hash_nobody_recorded_is_copied(folder, cache, place):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    shared(cache).with_name(f"{shared(cache).name}.sha256").unlink()
    copied(place).unlink()
    make_copy(shared(cache))
    assert copied(place).read_bytes() == shared(cache).read_bytes()


def test_if_many_trials_start_at_once_one_makes_the_copy(folder, cache, place, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    monkeypatch.setenv(VARIABLE, str(place))
    program = """
        import sys
        from pathlib import Path
        from dh_project.cgcnn_mp.crystals.node_copy import make_copy
        sys.stdin.read()
        print(make_copy(Path(sys.argv[1])).stat().st_ino)
    """
    words = [sys.executable, "-c", textwrap.dedent(program), str(shared(cache))]
    processes = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        process.stdin.close()
    inodes = {process.stdout.read() for process in processes}
    assert [process.wait() for process in processes] == [0] * 4
    assert inodes == {f"{copied(place).stat().st_ino}\n"}


def test_before_any_trial_a_scratch_that_cannot_be_used_is_an_error(folder, cache, place, monkeypatch):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    copied(place).unlink()
    copied_lock = place / f"dh_project-{os.getuid()}" / "shared" / f"{shared(cache).name}.lock"
    copied_lock.unlink(missing_ok=True)
    copied_lock.mkdir()
    with pytest.raises(DataError, match=f"--scratch {place}: cannot be used: Is a directory"):
        label_graphs(DataSettings(data=folder, cache_folder=cache))


def test_a_trial_reads_the_shared_file_if_scratch_cannot_be_used(
    folder, cache, place, in_a_trial, caplog, monkeypatch
):
    label_graphs(DataSettings(data=folder, cache_folder=cache))
    copy = copied(place)
    copy.unlink()
    copy.with_name(f"{copy.name}.lock").unlink(missing_ok=True)
    copy.with_name(f"{copy.name}.lock").mkdir()
    graphs = label_graphs(DataSettings(data=folder, cache_folder=cache)).graphs
    (line,) = caplog.messages
    assert (
        line
        == f"--scratch {place}: cannot be used: Is a directory: {copy}.lock; this trial reads {shared(cache)}"
    )
    assert same_as_without(folder, cache, monkeypatch, graphs)
