"""Data-parallel training: several processes, the ranks of a trial, each compute a share of every batch.

The ranks sum all quantities that depend on the whole batch: the statistics of batch normalisation, the gradients
through them, and the gradients of the weights. So all ranks have the same weights. Up to rounding, these are the
weights that one process would get with the same batch size.
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
"""Time that a rank waits for the others. It is enough to prepare graphs, and ends if another rank hangs."""

_meetings = count()
_group: distributed.ProcessGroup | None = None
"""The last process group. It remains after an error."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network, from the view of one of them.

    The methods that combine values must be called by all ranks. With one rank they return their argument.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank writes files, reports and records."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this rank's share of the rows. Each row is in the share of one rank; a share may be empty."""
        return rows[self.rank :: self.size]

    def joined(self, shares: Tensor, total: int) -> Tensor:
        """Join the results of all ranks' shares, on the CPU, to the results for all ``total`` rows."""
        if self.size == 1:
            return shares
        padding = shares.new_zeros(-(-total // self.size) - len(shares), *shares.shape[1:])
        return self._gathered(torch.cat([shares, padding])).transpose(0, 1).flatten(0, 1)[:total]

    def add(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks, bit-equal in all of them. It is differentiable."""
        if self.size == 1:
            return values
        total: Tensor = _Sum.apply(values, self)
        return total

    def pooled(self, mean: Tensor, variance: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and biased variance over the rows of all ranks, and the number of these rows.

        Args:
            mean: Mean of this rank's rows, float32 (features,). It is ignored if the rank has no rows.
            variance: Biased variance of this rank's rows, float32 (features,).
            total: Number of this rank's rows, float32 ().
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
        """Replace the gradients of the parameters by their sums over all ranks, and return the sum of the loss."""
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
        """Return the value that the first rank passes."""
        if self.size == 1:
            return value
        values = [value if self.is_first else None]
        with _together():
            distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]  # type: ignore[return-value]

    def check_alike(self, training: Mapping[str, Any]) -> None:
        """Check that all ranks have the same arguments and data.

        Args:
            training: Plain values by name.

        Raises:
            ValueError: A value of this rank differs from that of the first rank.
        """
        firsts = self.of_first(training)
        names = [name for name, value in training.items() if value != firsts[name]]
        if names:
            raise ValueError(
                f"rank {self.rank} was given other {', '.join(names)} than rank 0; give all ranks of a training the "
                "same arguments and the same data"
            )

    def _gathered(self, values: Tensor) -> Tensor:
        """Return the tensors of all ranks, stacked, (size, ...)."""
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
    """Return the ranks of this process's trial, or of ``torchrun``, before they have connected."""
    if dh.trial_folder() is None and "MASTER_ADDR" not in os.environ:
        return ALONE  # a shell on a cluster may have a launcher's variables although it is one process
    return Ranks(dh.ranks.rank(), dh.ranks.world_size())


def own_device(device: torch.device) -> torch.device:
    """Return the device of this rank. If several GPUs are visible and none is named, each rank gets its own."""
    ranks = own_ranks()
    if ranks.size == 1 or device.type != "cuda" or device.index is not None:
        return device
    local_rank = int(os.environ.get("LOCAL_RANK", ranks.rank))
    return torch.device("cuda", local_rank % torch.cuda.device_count())


@contextmanager
def met(device: torch.device, patience: timedelta = PATIENCE) -> Iterator[Ranks]:
    """Connect the ranks of this training, and disconnect them at the end of the ``with`` statement.

    With one rank it does nothing.

    Args:
        device: Device of this rank.
        patience: Time that this rank waits for another, now and later, before it raises an error.

    Yields:
        The connected ranks.

    Raises:
        RuntimeError: Another rank does not connect; or, later, another rank has ended or does not answer.
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
    # a trial may train several times, so each connection has its own file
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
    # after an error, the other ranks notice only the end of this process, which has logged the reason by then
    distributed.destroy_process_group()
