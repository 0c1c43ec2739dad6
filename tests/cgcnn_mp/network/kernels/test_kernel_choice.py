"""Kernels are chosen by device and precision, or by name; a choice that does not fit is refused in one line."""

import os
import subprocess
import sys

import pytest
import torch

from dh_project.cgcnn_mp.network.kernels import choice
from dh_project.cgcnn_mp.network.kernels.choice import kernels_for, using_kernels, warm_up

pytestmark = pytest.mark.slow


def name_of(values):
    return kernels_for(values).__name__.rpartition(".")[2]


@pytest.mark.parametrize(("dtype", "module"), [(torch.float32, "numba_gate"), (torch.float64, "torch_gate")])
def test_compiled_loops_are_for_float32_on_the_cpu(dtype, module):
    assert name_of(torch.zeros(1, dtype=dtype)) == module


def test_others_can_be_asked_for_and_are_forgotten_afterwards():
    values = torch.zeros(1)
    with using_kernels("torch"):
        assert name_of(values) == "torch_gate"
        with using_kernels("auto"):
            assert name_of(values) == "numba_gate"
        assert name_of(values) == "torch_gate"
    assert name_of(values) == "numba_gate"


def test_kernels_that_do_not_fit_are_refused():
    with (
        using_kernels("numba"),
        pytest.raises(ValueError, match=r"float32 tensors on the CPU, not float64 on cpu"),
    ):
        kernels_for(torch.zeros(1, dtype=torch.float64))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"unknown kernels 'nunba'.*numba"), using_kernels("nunba"):
        pass


@pytest.fixture
def no_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "dh_project.cgcnn_mp.network.kernels.numba_gate", raising=False)
    monkeypatch.delitem(sys.modules, "dh_project.cgcnn_mp.network.kernels.numba_loops", raising=False)
    monkeypatch.delattr("dh_project.cgcnn_mp.network.kernels.numba_gate", raising=False)
    monkeypatch.delattr("dh_project.cgcnn_mp.network.kernels.numba_loops", raising=False)
    choice._module.cache_clear()
    warm_up()  # which is no error
    yield
    choice._module.cache_clear()


@pytest.mark.usefixtures("no_numba")
def test_torch_is_used_if_numba_is_not_installed():
    assert name_of(torch.zeros(1)) == "torch_gate"


@pytest.mark.usefixtures("no_numba")
def test_kernels_that_are_not_installed_are_refused():
    with pytest.raises(ValueError, match="'numba' need the package numba"), using_kernels("numba"):
        pass


def test_torch_is_used_if_numba_may_not_compile():
    code = (
        "import torch; from dh_project.cgcnn_mp.network.kernels.choice import kernels_for, warm_up; warm_up(); "
        "print(kernels_for(torch.zeros(1)).__name__)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip().endswith("torch_gate")
