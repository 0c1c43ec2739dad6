"""The GPUs that a process may use, as CUDA reads its variable."""

import pytest

from dh_project.trial import gpus
from dh_project.trial.gpus import gpus_named_by, visible_gpus


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("0", ["0"]),
        ("3,1", ["3", "1"]),
        (" 0 , 1 ", ["0", "1"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("0,,1", ["0"]),
        ("NoDevFiles", []),
        ("0,none,1", ["0"]),
        ("1x,2", ["1", "2"]),
        ("0,1,0", []),
        ("GPU-8932f937,GPU-1a", ["GPU-8932f937", "GPU-1a"]),
        ("GPU-8932f937,0", ["GPU-8932f937"]),
        ("GPU-1a,GPU-1a", []),
        ("MIG-GPU-8932f937/1/0,MIG-2b", ["MIG-GPU-8932f937/1/0", "MIG-2b"]),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(value, names):
    assert gpus_named_by(value) == names


def test_an_index_that_no_gpu_has_ends_the_list():
    assert gpus_named_by("1,2,0", count=2) == ["1"]


@pytest.mark.parametrize(
    ("files", "value", "names"),
    [
        ((), "0,1", []),
        (("nvidia0", "nvidia1", "nvidiactl"), "0,1,2", ["0", "1"]),
        (("nvidia3",), "0", ["0"]),
        (("nvidia0",), "NoDevFiles", []),
        (("dxg",), "0,1", ["0", "1"]),
    ],
    ids=[
        "no driver",
        "two GPUs",
        "one GPU of a container",
        "none for this job",
        "a number that is not known",
    ],
)
def test_the_device_files_limit_what_the_variable_names(tmp_path, monkeypatch, files, value, names):
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    for name in gpus.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == names


def test_gpus_of_amd_are_read_from_their_own_variable(tmp_path, monkeypatch):
    (tmp_path / "kfd").touch()
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    for name in gpus.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "4,6")
    assert visible_gpus() == ["4", "6"]
