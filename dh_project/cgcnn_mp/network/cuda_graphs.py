"""Training steps as CUDA graphs, which are recorded once for each batch size and then replayed.

A step of CGCNN runs about a hundred small kernels. The CPU takes longer to start them than the GPU to run them. A
CUDA graph starts all of them together, but it repeats exactly the recorded kernels, sizes and addresses. So batches
are padded to a few common sizes, and gathered inside the graph: its only input is the indices of the batch's
crystals.

Padding has no effect on the result. A padding class stands for no atom (multiplicity 0) and has no edges. A padding
edge stands for no neighbour (``repeats`` 0) and belongs to no class. No edge refers to a padding distance. Crystals
are not padded, because all batches of an epoch except the last have the same number. So losses stay plain means.
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
"""Ordinary steps of a size before it is recorded. They compile kernels and create the optimizer's state."""

SPARE = 16
"""Sizes are increased by 1/16 and rounded up to one of sixteen steps between two powers of two."""


class Sizes(NamedTuple):
    """The sizes of a batch."""

    crystals: int
    classes: int
    edges: int
    distances: int

    def padded(self) -> Sizes:
        """Return slightly larger sizes, which several batches with as many crystals can share."""
        return Sizes(self.crystals, *(_rounded(size + size // SPARE) for size in self[1:]))

    def holds(self, other: Sizes) -> bool:
        """Return whether a batch can be padded to these sizes, with at most half of the edges being padding."""
        fits = all(mine >= theirs for mine, theirs in zip(self, other, strict=True))
        return fits and self.crystals == other.crystals and self.edges <= 2 * other.edges


def _rounded(size: int) -> int:
    """Round up to a multiple of a sixteenth of the power of two below, and of 16."""
    step = max((1 << max(size.bit_length() - 1, 0)) // SPARE, 16)
    return -(-size // step) * step


def padded_batch(graphs: CrystalGraphs, rows: Tensor, sizes: Sizes) -> Batch:
    """Gather crystals into a batch of given sizes, without waiting for the device.

    Args:
        graphs: The graphs of the whole data set.
        rows: int64 (C,), indices of the crystals, on the device of the graphs.
        sizes: The sizes of the batch, at least those that the crystals need.

    Returns:
        The same batch as ``graphs.batch``, followed by padding.
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
    """Concatenate the parts of some rows, followed by padding up to a total length.

    Returns:
        The index that each element comes from, int64 (total,), 0 for padding; the position in ``rows`` of its row,
        int64 (total,), the last one for padding; the start of each row's part in the result, int64 (R,); and whether
        each element is not padding, bool (total,).
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
    """The interface for recording an action and replaying it: ``CudaRecorder``, or a stand-in for tests."""

    def warm_up(self, action: Action) -> Tensor:
        """Do the action once, under the conditions of a recording."""
        ...

    def record(self, action: Action) -> Action:
        """Record the action without doing it. Return a function that replays it and returns the same tensor."""
        ...


class CudaRecorder:
    """Records CUDA graphs that share one memory pool.

    The graphs run one at a time, in any order. Sharing is safe, because no graph depends on the memory that another
    one leaves: weights and the optimizer's state are not in the pool, every run writes the gradients anew, and the
    loss is copied immediately.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def warm_up(self, action: Action) -> Tensor:
        """Do the action on the recording stream. CUDA cannot record on the default stream."""
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
    """A batch size: the buffer for its rows, the number of its ordinary steps, and the step after it is recorded."""

    rows: Tensor
    met: int = 0
    replay: Action | None = None


class RecordedSteps:
    """Training steps that are recorded once for each batch size and then replayed. Experimental.

    It is tested on a CPU, with a stand-in for the recording. It has not run on a GPU yet, so it is off by default.

    Recording changes no weights: the first steps of a size are ordinary steps on padded batches. The weights are
    those of a training without recording, up to the order of sums.

    Restore weights and the optimizer's state before the first step, because a recording keeps their addresses. Read
    gradients only inside the step. Learning rates may change between steps; the other settings of the optimizer keep
    the values that they had at the recording.

    Args:
        graphs: The graphs of the whole data set, on the device.
        step: An ordinary training step: gradients set to None, forward, loss (a mean over the batch's crystals),
            backward, optimizer. It returns the detached loss and never waits for the device. Code that counts in
            Python (a schedule, the decay of an average) is not replayed, and must run after the step.
        optimizer: The optimizer of the step, with ``fused=True``.
        limit: Number of sizes to record, at most. Other batches use ordinary steps.
        recorder: The recorder; None: CUDA graphs.

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
        # a recording would keep a learning rate that is a Python number
        self._rates = [torch.zeros((), device=graphs.labels.device) for _ in optimizer.param_groups]
        self._told: list[float | None] = [None for _ in optimizer.param_groups]

    def losses(self, rows: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Take a training step for each batch of the crystals, and yield its loss, float32 ().

        Args:
            rows: int64 (crystals,), indices of the crystals, on the CPU.
            batch_size: Crystals in each step. The last step may have fewer.
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
        """Return the smallest known sizes that hold a batch, else new ones, or None if the limit is reached."""
        fitting = [known for known in self._recorded if known.holds(sizes)]
        if fitting:
            return min(fitting, key=lambda known: known.edges)
        return sizes.padded() if len(self._recorded) < self._limit else None

    @contextmanager
    def _optimizer_on_device(self) -> Iterator[None]:
        """Put the optimizer's learning rates on the device during a step. Between steps they are plain numbers."""
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
