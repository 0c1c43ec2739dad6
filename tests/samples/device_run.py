"""A run function that says which device its rank was given, and which rank that is, where a fake mpiexec tells."""

import os
import time

from dh_project import record


def run(point, seconds=0.0):
    record(device=os.environ.get("CUDA_VISIBLE_DEVICES"), local_rank=os.environ.get("FAKE_LOCAL_RANK"))
    time.sleep(seconds)
    return -point["x"]
