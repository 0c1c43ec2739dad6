"""Several trainings that share a GPU as processes, with and without NVIDIA's multi-process service (MPS)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

MPS = "nvidia-cuda-mps-control"


def total_rate(count: int, seconds: float, work: dict[str, Any], environment: dict[str, str]) -> float:
    """Return the crystals a second of so many processes together, which train at the same time.

    Args:
        count: Processes.
        seconds: How long they train.
        work: What ``train_for`` is told.
        environment: Variables to add to theirs.

    Raises:
        RuntimeError: One of them failed; the text is the last line that it wrote.
    """
    words = [sys.executable, __file__, json.dumps(work)]
    processes = [
        subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            _answer(process)  # it is ready
        for process in processes:
            _tell(process, str(time.time() + 0.5), str(seconds))
        return sum(float(_answer(process)) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _tell(process: subprocess.Popen[str], *words: str) -> None:
    assert process.stdin is not None
    process.stdin.write(" ".join(words) + "\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate()
        raise RuntimeError((errors.strip().splitlines() or ["a process ended without a word"])[-1])
    return line.strip()


@contextmanager
def mps() -> Iterator[dict[str, str]]:
    """Run an MPS server of our own, and yield the variables by which processes find it.

    Raises:
        OSError: It is not installed, or does not start.
    """
    if shutil.which(MPS) is None:
        raise OSError(f"{MPS} is not installed")
    with TemporaryDirectory() as folder:
        variables = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
        environment = {**os.environ, **variables}
        for path in variables.values():
            Path(path).mkdir()
        started = subprocess.run([MPS, "-d"], env=environment, capture_output=True, text=True, check=False)
        if started.returncode:
            raise OSError(f"{MPS} does not start: {(started.stderr or started.stdout).strip()}")
        try:
            yield variables
        finally:
            subprocess.run(
                [MPS], env=environment, input="quit\n", text=True, capture_output=True, check=False
            )


def train_for(work: dict[str, Any]) -> None:
    """Train as one of the processes: warm up, say so, wait for the start, train, and tell the rate."""
    from gpu_ways import load_normalised, ours

    device = torch.device(work["device"])
    torch.set_num_threads(1)
    crystals = load_normalised(work["data"], work["crystals"], device)
    way = ours(crystals, work["kernels"], work["cuda_graphs"])
    for _ in range(work["warm_ups"]):
        way.train_epoch().item()
    print("ready", flush=True)
    start, seconds = map(float, sys.stdin.readline().split())
    time.sleep(max(start - time.time(), 0))
    started, epochs = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        way.train_epoch().item()
        epochs += 1
    print(epochs * len(crystals) / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    train_for(json.loads(sys.argv[1]))
