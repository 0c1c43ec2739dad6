"""The same trial, whose two processes torch's own launcher starts: this works in serial mode too."""

import sys

from data_parallel_run import Problem  # noqa: F401 (searched with this run function)
from data_parallel_run import run as train

from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec


def run(point, **settings):
    """Train as ``data_parallel_run`` does."""
    return train(point, **settings)


run.balsamjob_spec = BalsamJobSpec(
    command=f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2 --no-python {{worker}}",
    processes=2,
    threads_per_rank=2,  # cores of the job: one for each process
)
