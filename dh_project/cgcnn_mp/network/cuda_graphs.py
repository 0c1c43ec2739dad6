"""Training steps as CUDA graphs: recorded once for a size of batch, then started as one.

A step of CGCNN is some hundred small kernels, and a GPU works on them for less time than the CPU takes to start
them. A CUDA graph starts all of them at once, but it repeats exactly what was recorded: the same kernels, sizes
and addresses. So batches are padded to sizes that many of them share, and gathered inside the graph: what goes in
is the rows of the batch's crystals, and everything else follows on the device.

How padding comes to nothing: a class of padding stands for no atom (multiplicity 0) and has no edges; an edge of
padding stands for no neighbour (``repeats`` 0) and no class lists it; nothing lies at a distance of padding.
Crystals are never padded, since all batches but an epoch's last have equally many: losses stay plain means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalGraphs, sent
from dh_project.cgcnn_mp.network.kernels import Edges

Action = Callable[[], Tensor]

WARM_UPS = 2
"""Steps of a size before it is recorded: they compile kernels and make the optimizer's state."""

SPARE = 16
"""Sizes get a sixteenth more, and are rounded up to the next of sixteen steps a doubling."""


class Sizes(NamedTuple):
    """How large a batch is."""

    crystals: int
    classes: int
    edges: int
    distances: int

    def padded(self) -> Sizes:
        """Return sizes, a little larger, that batches of as many crystals can share."""
        return Sizes(self.crystals, *(_rounded(size + size // SPARE) for size in self[1:]))

    def holds(self, other: Sizes) -> bool:
        """Return whether a batch can be padded to these sizes, without half of them being padding."""
        fits = all(mine >= theirs for mine, theirs in zip(self, other, strict=True))
        return fits and self.crystals == other.crystals and self.edges <= 2 * other.edges


def _rounded(size: int) -> int:
    """Round up to a multiple of a sixteenth of the power of two below, and of 16."""
    step = max((1 << max(size.bit_length() - 1, 0)) // SPARE, 16)
    return -(-size // step) * step


def padded_batch(graphs: CrystalGraphs, rows: Tensor, sizes: Sizes) -> Batch:
    """Gather crystals into a batch of given sizes, without asking the device for any.

    Args:
        graphs: The graphs of the whole data set.
        rows: int64 (C,), which crystals, on the graphs' device.
        sizes: What the crystals need, or more.

    Returns:
        What ``graphs.batch`` returns, and padding behind it.
    """
    classes, crystals, class_starts, class_there = _padded_ranges(graphs.first_class, rows, sizes.classes)
    edges, edge_crystals, _, edge_there = _padded_ranges(graphs.first_edge_of_crystal, rows, sizes.edges)
    distances, _, distance_starts, _ = _padded_ranges(graphs.first_distance, rows, sizes.distances)
    counts = (graphs.first_edge[classes + 1] - graphs.first_edge[classes]) * class_there
    first = torch.zeros(sizes.classes + 1, dtype=torch.int32, device=rows.device)
    torch.cumsum(counts, 0, out=first[1:])
    positions = torch.arange(sizes.edges, dtype=torch.int32, device=rows.device)
    owners = torch.searchsorted(first[1:], positions, right=True, out_int32=True)
    neighbours = graphs.neighbours[edges] + class_starts[edge_crystals]
    shells = graphs.shells[edges] + distance_starts[edge_crystals]
    return Batch(
        element_features=graphs.element_features,
        elements=graphs.elements[classes].int(),
        distances=graphs.distances[distances],
        edges=Edges(
            first=first,
            classes=owners.clamp_(max=sizes.classes - 1),
            neighbours=(neighbours * edge_there).int(),
            shells=(shells * edge_there).int(),
            repeats=graphs.repeats[edges].float() * edge_there,
            multiplicities=graphs.multiplicities[classes].float() * class_there,
            distance_count=sizes.distances,
        ),
        crystals=crystals.int(),
        atom_counts=graphs.atom_counts[rows].float(),
        labels=graphs.labels[rows].float(),
    )


def _padded_ranges(first: Tensor, rows: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lay the parts of some rows end to end, and padding behind them, to a total that may be larger.

    Returns:
        Where each element comes from, int64 (total,), 0 for padding; which of the R rows it belongs to, int64
        (total,), the last for padding; where each row's part begins now, int64 (R,); whether it is no padding,
        bool (total,).
    """
    begins = first[rows]
    counts = first[rows + 1] - begins
    ends = counts.cumsum(0)
    starts = ends - counts
    positions = torch.arange(total, device=rows.device)
    there = positions < ends[-1]
    owners = torch.searchsorted(ends, positions, right=True).clamp_(max=len(rows) - 1)
    return (positions + (begins - starts)[owners]) * there, owners, starts, there


class Recorder(Protocol):
    """What records an action so that it can be done again: ``CudaRecorder``, or a stand-in for tests."""

    def warm_up(self, action: Action) -> Tensor:
        """Do the action once, in the way that it will be recorded."""
        ...

    def record(self, action: Action) -> Action:
        """Record the action without doing it; what is returned does it, and returns the same tensor each time."""
        ...


class CudaRecorder:
    """Records CUDA graphs, which share one pool of memory: they run one after the other.

    Sharing is safe although graphs run in any order: what outlives a graph's run is not in the pool (weights,
    the optimizer's state), is written anew by each run (gradients), or is copied at once (the loss).
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def warm_up(self, action: Action) -> Tensor:
        """Do the action on another stream than the default one, on which nothing can be recorded."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = action()
        torch.cuda.current_stream().wait_stream(self._stream)
        return result

    def record(self, action: Action) -> Action:
        """Record the action as a CUDA graph."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            result = action()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


@dataclass
class _Recorded:
    """A size of batch: where its rows go, how often it was met, and the step once it is recorded."""

    rows: Tensor
    met: int = 0
    replay: Action | None = None


class RecordedSteps:
    """Training steps that are recorded once for a size of batch, and then repeated. Experimental.

    Tested on a CPU with a stand-in for the GPU's recording; nobody has run it on a GPU yet. Until somebody has
    measured that it is right and faster there, it is off by default.

    Nothing is done for the recording's sake alone: the first steps of a size are ordinary steps on padded
    batches, and recording does nothing, so that the weights come out as without it (but for the order of sums).

    Restore weights and the optimizer's state before the first step: a recording keeps their addresses. Gradients
    are to be read inside the step only.
    Learning rates may change between steps; the optimizer's other settings stay as they were when recorded.

    Args:
        graphs: The graphs of the whole data set, on the device.
        step: An ordinary training step: gradients set to None, forward, loss (a mean over the batch's
            crystals), backward, optimizer. It returns the loss, detached, and never waits for the device. What
            Python counts (a schedule, the decay of an average) is not repeated: it belongs after the step.
        optimizer: That of the step, with ``fused=True``.
        limit: Sizes to record, at most; other batches take ordinary steps.
        recorder: What records; None: CUDA graphs.

    Raises:
        ValueError: The optimizer is not fused.
    """

    def __init__(
        self,
        graphs: CrystalGraphs,
        step: Callable[[Batch], Tensor],
        optimizer: torch.optim.Optimizer,
        limit: int = 8,
        recorder: Recorder | None = None,
    ) -> None:
        if not all(group.get("fused") for group in optimizer.param_groups):
            raise ValueError(
                "CUDA graphs need an optimizer that works on the GPU alone: make it with fused=True"
            )
        self._graphs, self._step, self._optimizer, self._limit = graphs, step, optimizer, limit
        self._recorder = CudaRecorder() if recorder is None else recorder
        self._recorded: dict[Sizes, _Recorded] = {}
        # a recording would keep a rate that is a number for ever
        self._rates = [torch.zeros((), device=graphs.labels.device) for _ in optimizer.param_groups]
        self._told: list[float | None] = [None for _ in optimizer.param_groups]

    def losses(self, rows: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Take a step for each batch of some crystals, and yield its loss, float32 ().

        Args:
            rows: int64 (crystals,), on the CPU.
            batch_size: Crystals a step; the last may have fewer.
        """
        parts = [(len(part), *part.sum(0).tolist()) for part in self._graphs.sizes[rows].split(batch_size)]
        device = self._graphs.labels.device
        for part, sizes in zip(sent(rows, device).split(batch_size), parts, strict=True):
            with self._optimizer_on_device():
                loss = self._take(part, Sizes(*sizes))
            yield loss

    def _take(self, rows: Tensor, sizes: Sizes) -> Tensor:
        padded = self._sizes_for(sizes)
        if padded is None:
            return self._step(padded_batch(self._graphs, rows, sizes))
        recorded = self._recorded.setdefault(padded, _Recorded(torch.empty_like(rows)))
        recorded.rows.copy_(rows)

        def action() -> Tensor:
            return self._step(padded_batch(self._graphs, recorded.rows, padded))

        if recorded.replay is None and recorded.met < WARM_UPS:
            recorded.met += 1
            return self._recorder.warm_up(action)
        if recorded.replay is None:
            recorded.replay = self._recorder.record(action)
        return recorded.replay().clone()

    def _sizes_for(self, sizes: Sizes) -> Sizes | None:
        """Return the smallest sizes known that hold a batch, new ones, or None where there are too many."""
        fitting = [known for known in self._recorded if known.holds(sizes)]
        if fitting:
            return min(fitting, key=lambda known: known.edges)
        return sizes.padded() if len(self._recorded) < self._limit else None

    @contextmanager
    def _optimizer_on_device(self) -> Iterator[None]:
        """Let the optimizer read its learning rates on the device during a step; outside they are plain numbers."""
        groups = self._optimizer.param_groups
        before = [dict(group) for group in groups]
        for position, (group, rate) in enumerate(zip(groups, self._rates, strict=True)):
            if group["lr"] != self._told[position]:
                self._told[position] = group["lr"]
                rate.fill_(group["lr"])
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        try:
            yield
        finally:
            for group, values in zip(groups, before, strict=True):
                group.update(values)
