"""A trial that two processes train together: each has half of every batch, and the gradients are averaged."""

import os

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel

from dh_project import HpProblem, record, report
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec
from dh_project.trial.ranks import meeting_place, rank, world_size

Problem = HpProblem()
Problem.add_hyperparameter((0.001, 0.5, "log-uniform"), "lr")
Problem.add_starting_point(lr=0.1)


def run(point, steps=20, batch_size=64):
    """Fit a line, and return minus the mean squared error. Every rank calls this."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one node; leave it out for several
    distributed.init_process_group("gloo", init_method=meeting_place(), rank=rank(), world_size=world_size())
    try:
        torch.manual_seed(0)
        model = DistributedDataParallel(torch.nn.Linear(1, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=point["lr"])
        for step in range(1, steps + 1):
            x = torch.rand(batch_size, 1)  # the same in all ranks, of which each takes its part
            mine = x[rank() :: world_size()]
            loss = torch.nn.functional.mse_loss(model(mine), 3 * mine + 1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            # one rank asks, and all of them hear the same answer
            goes_on = torch.tensor(report(step, -loss.item()) if rank() == 0 else True)
            distributed.broadcast(goes_on, src=0)
            if not goes_on:
                break
        record(ranks=world_size())
        x = torch.linspace(0, 1, 101).unsqueeze(1)
        return -torch.nn.functional.mse_loss(model.module(x), 3 * x + 1).item()
    finally:
        distributed.destroy_process_group()


run.balsamjob_spec = BalsamJobSpec(ranks_per_node=2)  # Balsam's launcher starts both, by the site's MPI
