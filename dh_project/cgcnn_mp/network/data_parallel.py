"""Several processes that train one network, the ranks of a trial: each computes its share of every batch.

What a step needs of the whole batch is summed over the ranks: the statistics of batch normalisation and the gradients
that go through them, and the gradients of the weights. All ranks have the same weights, then, and those that one
process would have at the same batch size, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor

import dh_project as dh

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others: for one that prepares the graphs of its node, not for one that hangs."""

_meetings = count()
_group: distributed.ProcessGroup | None = None
"""The group of the last meeting: an error leaves it."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network, seen from one of them.

    Its methods, where they bring something together, are called by all ranks at once. With one rank each returns what
    it is given.

    Attributes:
        rank: Which of them this one is, from 0.
        size: How many they are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, reports and records."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this rank's share of some rows; all shares together are the rows, and may be empty."""
        return rows[self.rank :: self.size]

    def joined(self, shares: Tensor, total: int) -> Tensor:
        """Return the results for ``total`` rows, of which each rank has those for its share, on the CPU."""
        if self.size == 1:
            return shares
        padding = shares.new_zeros(-(-total // self.size) - len(shares), *shares.shape[1:])
        return self._gathered(torch.cat([shares, padding])).transpose(0, 1).flatten(0, 1)[:total]

    def add(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks, in every one the same bits; gradients go through it."""
        if self.size == 1:
            return values
        total: Tensor = _Sum.apply(values, self)
        return total

    def pooled(self, mean: Tensor, variance: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and biased variance over the rows of all ranks, and how many these are.

        Args:
            mean: Over this rank's rows, float32 (features,); whatever, where it has none.
            variance: The same, about that mean.
            total: This rank's rows, float32 ().
        """
        if self.size == 1:
            return mean, variance, total
        gathered = self._gathered(torch.cat([mean, variance, total.unsqueeze(0)])).double()
        totals = gathered[:, -1:]
        pooled_total = totals.sum()
        shares = totals / pooled_total
        means, variances = gathered[:, :-1].where(totals > 0, 0.0).chunk(2, dim=1)
        centre = (shares * means).sum(0)
        spread = (shares * (variances + (means - centre).square())).sum(0)
        return centre.to(mean), spread.to(variance), pooled_total.to(total)

    def add_gradients(self, parameters: Iterable[Tensor], loss: Tensor) -> Tensor:
        """Set the gradients of the parameters to their sums over all ranks, and return that of the loss."""
        if self.size == 1:
            return loss
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in gradients)])
        with _together():
            distributed.all_reduce(flat)
        total, *sums = flat.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view_as(gradient))
        return total[0]

    def of_first(self, value: T) -> T:
        """Return what the first rank gives; what the others give does not matter."""
        if self.size == 1:
            return value
        values = [value if self.is_first else None]
        with _together():
            distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]  # type: ignore[return-value]

    def check_alike(self, training: Mapping[str, Any]) -> None:
        """Check that all ranks train the same.

        Args:
            training: Plain values by what they are of.

        Raises:
            ValueError: This rank's differ from the first one's.
        """
        firsts = self.of_first(training)
        names = [name for name, value in training.items() if value != firsts[name]]
        if names:
            raise ValueError(
                f"rank {self.rank} was given other {', '.join(names)} than rank 0; all ranks of a training take the "
                "same arguments, and see the same data"
            )

    def _gathered(self, values: Tensor) -> Tensor:
        """Return the tensors of all ranks, (size, ...)."""
        gathered = values.new_empty(self.size, *values.shape)
        with _together():
            distributed.all_gather(list(gathered), values.contiguous())
        return gathered


ALONE = Ranks()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks._gathered(values).sum(0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks._gathered(gradient).sum(0), None


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        what = "another rank of this training has ended or does not answer; its own log says why"
        raise RuntimeError(f"{what} ({dh.errors.one_line(str(error))})") from error


def own_ranks() -> Ranks:
    """Return the ranks that this process belongs to, before they have met: those of its trial, or of ``torchrun``."""
    if dh.trial_folder() is None and "MASTER_ADDR" not in os.environ:
        return ALONE  # a shell on a cluster may have the variables of a launcher, and be one process
    return Ranks(dh.ranks.rank(), dh.ranks.world_size())


def own_device(device: torch.device) -> torch.device:
    """Return the device of this rank: of several GPUs that it sees, where none is named, one of its own."""
    ranks = own_ranks()
    if ranks.size == 1 or device.type != "cuda" or device.index is not None:
        return device
    local_rank = int(os.environ.get("LOCAL_RANK", ranks.rank))
    return torch.device("cuda", local_rank % torch.cuda.device_count())


@contextmanager
def met(device: torch.device, patience: timedelta = PATIENCE) -> Iterator[Ranks]:
    """Meet the other ranks of this training, and part from them when it ends. One rank alone meets no one.

    Args:
        device: Where this rank computes.
        patience: How long it waits for another, here and later, before it ends with an error.

    Raises:
        RuntimeError: Another rank does not come, or, inside the ``with`` statement, has ended or does not answer.
    """
    ranks = own_ranks()
    if ranks.size == 1:
        yield ranks
        return
    global _group
    if _group is not None and distributed.group.WORLD is _group:
        distributed.destroy_process_group()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # one trial may train several times: each of its meetings has a file of its own
    place = "env://" if dh.trial_folder() is None else f"{dh.ranks.meeting_place()}-{next(_meetings)}"
    with _together():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            init_method=place,
            rank=ranks.rank,
            world_size=ranks.size,
            timeout=patience,
        )
    _group = distributed.group.WORLD
    yield ranks
    # where there is an error, the others learn of it when the process ends, and so after this rank has told why
    distributed.destroy_process_group()
