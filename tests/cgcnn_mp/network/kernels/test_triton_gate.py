"""The Triton kernels agree with torch: in the interpreter without a GPU, and on a GPU if there is one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from triton_in_subprocess import RESULTS, relative_errors, results

from dh_project.cgcnn_mp.network.kernels import torch_gate

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton comes with torch's builds for a GPU"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

SCRIPT = Path(__file__).with_name("triton_in_subprocess.py")
KERNELS = {"_moments_kernel", "_forward_kernel", "_slope_sums_kernel", "_backward_kernel"}


def run(folder, *words, **variables):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_CACHE_DIR": str(folder), **variables},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    return run(tmp_path_factory.mktemp("triton"), TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.parametrize("width", [1, 3, 20, 64, 128])
@pytest.mark.parametrize("training", [True, False])
def test_interpreted_kernels_equal_the_torch_ones(errors, width, training):
    found = dict(zip(RESULTS, errors[f"{width} {training} float32"], strict=True))
    assert max(found.values()) < 1e-6, found


@needs_triton
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_of_half_precision_inputs_are_those_of_float32(errors, dtype):
    found = dict(zip(RESULTS, errors[f"20 True {dtype}"], strict=True))
    for name in ("mean", "variance", "forward", "weight", "bias"):
        assert found[name] < 1e-6, found


@needs_triton
@pytest.mark.parametrize(("dtype", "rounding"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_gradients_of_half_precision_inputs_are_rounded_once(errors, dtype, rounding):
    found = dict(zip(RESULTS, errors[f"20 True {dtype}"], strict=True))
    for name in ("own", "other", "bond"):
        assert found[name] < rounding, found


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("capability", ["80", "90"])
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path, capability):
    assert set(run(tmp_path, capability)) == KERNELS


@needs_triton
@needs_gpu
@pytest.mark.parametrize("width", [1, 3, 20, 64, 128])
@pytest.mark.parametrize("training", [True, False])
def test_kernels_on_the_gpu_equal_the_torch_ones_on_the_cpu(width, training):
    from dh_project.cgcnn_mp.network.kernels import triton_gate

    found = results(triton_gate, width, training, device="cuda")
    assert max(relative_errors(found, results(torch_gate, width, training))) < 1e-5
