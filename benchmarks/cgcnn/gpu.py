"""Training and predicting on a GPU: ours, and the original CGCNN on the same GPU.

    python benchmarks/cgcnn/gpu.py --original CLONE

Crystals a second in training and in prediction, the most memory, the share of the time that the GPU works (the
time of its kernels by torch's profiler, over that of an epoch without the profiler), and what mixed precision
changes. Then 1, 4 and 8 trainings that share the GPU as processes, plainly and under NVIDIA's multi-process
service; and as an experiment 8 networks of one architecture as one stack in one process.

Without a GPU there is nothing to measure; ``--device cpu --quick`` shows that the script runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from contestants import ARCHITECTURE, BATCH_SIZE, ORIGINAL
from gpu_sharing import mps, total_rate
from gpu_stacked import StackedTraining
from gpu_ways import Way, load_normalised, original, ours
from options import QUICK, parser
from peers import load_original, missing_peers, original_items
from rich.table import Table
from timing import Timed, interleaved, print_table

from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet

WARM_UPS = 4
"""Epochs before the first measured one: kernels compile, CUDA graphs are recorded."""

TRIALS = (1, 4, 8)


@dataclass(frozen=True)
class Figures:
    """What was measured of a way.

    Attributes:
        training: Epochs.
        prediction: Passes over the set.
        memory: Most memory beside the data, MiB; None on a CPU.
        busy: Share of an epoch that the GPU works; None on a CPU.
        deviation: Mean deviation of outputs from those in float32 with the same weights, in standard deviations
            of the labels; None in float32.
    """

    training: Timed
    prediction: Timed
    memory: float | None
    busy: float | None
    deviation: float | None


def ways(
    crystals: CrystalSet, clone: Any, device: torch.device
) -> tuple[dict[str, Callable[[], Way]], list[str]]:
    """Return how to make each way, and a line for each that is not here."""
    made: dict[str, Callable[[], Way]] = {}
    if modules := load_original(clone):
        data, model = modules
        on_cpu = crystals.graphs.to("cpu")
        made[ORIGINAL] = lambda: original(data, model, original_items(on_cpu, crystals.rows), device)
    missing = missing_peers(clone)
    for kernels in ("torch", "triton") if device.type == "cuda" else ("torch", "numba"):
        try:
            with using_kernels(kernels):
                pass
        except ValueError as error:
            missing.append(f"ours, {kernels}: {error}")
            continue
        for graphs, mixed in ((False, False), (True, False), (False, True), (True, True)):
            name = f"ours, {kernels}{', CUDA graphs' * graphs}{', bfloat16' * mixed}"
            made[name] = partial(ours, crystals, kernels, graphs, mixed)
    return made, missing


def measure(
    makers: dict[str, Callable[[], Way]], crystals: CrystalSet, rounds: int, device: torch.device
) -> tuple[dict[str, Figures], list[str]]:
    """Measure all ways in turns; one that fails is told in a line and leaves the others alone."""
    made: dict[str, Way] = {}
    memory: dict[str, float | None] = {}
    failures = []
    for name, make in makers.items():
        try:
            made[name], memory[name] = _warmed_up(make, device)
        except (RuntimeError, ValueError) as error:
            failures.append(f"{name}: it failed: {str(error).strip().splitlines()[0]}")
    training = interleaved(
        {name: partial(_waited, way.train_epoch, device) for name, way in made.items()}, len(crystals), rounds
    )
    prediction = interleaved(
        {name: partial(_waited, way.predict, device) for name, way in made.items()}, len(crystals), rounds
    )
    figures = {
        name: Figures(
            training[name],
            prediction[name],
            memory[name],
            _busy_share(way, min(training[name].seconds), device),
            _deviation(made.get(name.removesuffix(", bfloat16")), way) if name.endswith("bfloat16") else None,
        )
        for name, way in made.items()
    }
    return figures, failures


def _warmed_up(make: Callable[[], Way], device: torch.device) -> tuple[Way, float | None]:
    """Make a way and train it a little; return it, and the most memory of that, MiB."""
    on_gpu = device.type == "cuda"
    before = 0
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    way = make()
    for _ in range(WARM_UPS):
        way.train_epoch()
    _waited(way.predict, device)
    return way, (torch.cuda.max_memory_allocated(device) - before) / 2**20 if on_gpu else None


def _waited(action: Callable[[], Any], device: torch.device) -> None:
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _busy_share(way: Way, seconds: float, device: torch.device) -> float | None:
    """Return the time of an epoch's kernels and copies over the epoch's."""
    if device.type != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        _waited(way.train_epoch, device)
    worked = sum(event.self_device_time_total for event in profiler.key_averages())
    return worked / 1e6 / seconds


def _deviation(exact: Way | None, mixed: Way) -> float | None:
    """Return how far outputs in mixed precision are from those in float32 with the same weights."""
    if exact is None:
        return None
    kept = {name: value.clone() for name, value in exact.network.state_dict().items()}
    exact.network.load_state_dict(mixed.network.state_dict())
    deviation = (exact.predict() - mixed.predict()).abs().mean().item()
    exact.network.load_state_dict(kept)
    return deviation


def print_figures(title: str, figures: dict[str, Figures], missing: list[str]) -> None:
    """Print a row a way."""
    columns = ("", "training", "over", "prediction", "over", "MiB", "GPU works", "deviation")
    table = Table(*columns, box=None)
    peers = [figures[ORIGINAL]] if ORIGINAL in figures else []

    def cells(timed: Timed, others: list[Timed]) -> tuple[str, str]:
        return f"{timed.rate:,.0f}", "".join(f"{timed.over(other):.1f}" for other in others)

    for name, one in figures.items():
        table.add_row(
            name,
            *cells(one.training, [peer.training for peer in peers]),
            *cells(one.prediction, [peer.prediction for peer in peers]),
            "" if one.memory is None else f"{one.memory:.0f}",
            "" if one.busy is None else f"{one.busy:.0%}",
            "" if one.deviation is None else f"{one.deviation:.1e}",
        )
    print_table(title, table, missing)


def share(title: str, work: dict[str, Any], trials: tuple[int, ...], seconds: float) -> None:
    """Print the crystals a second of several trainings together, plainly and under MPS."""
    table = Table("trainings", *(str(count) for count in trials), box=None)
    missing = []
    for name, service in (("plain", nullcontext({})), ("MPS", mps())):
        if name == "MPS" and work["device"] == "cpu":
            continue
        try:
            with service as environment:
                rates = [total_rate(count, seconds, work, environment) for count in trials]
        except (OSError, RuntimeError) as error:
            missing.append(f"{name}: {error}")
            continue
        table.add_row(name, *(f"{rate:,.0f} ({rate / rates[0]:.1f}×)" for rate in rates))
    print_table(title, table, missing)


def stack(title: str, crystals: CrystalSet, trials: tuple[int, ...], rounds: int) -> None:
    """Print the crystals a second of several networks in one stack."""
    graphs, device = crystals.graphs, crystals.graphs.labels.device
    sizes = graphs.element_features.shape[1], count_gaussians(graphs.radius)
    table = Table("networks", "training, all together", "gradients' deviation", box=None)
    rates: list[float] = []
    for count in trials:
        networks = []
        for seed in range(count):
            torch.manual_seed(seed)
            networks.append(CrystalGraphConvNet(*sizes, **ARCHITECTURE).to(device))
        stacked = StackedTraining(networks, crystals)
        batch = graphs.batch(crystals.rows[:BATCH_SIZE])
        with using_kernels("torch"):
            error = stacked.gradient_error(networks[0], count - 1, batch)
        stacked.train_epoch()
        way = {"stack": partial(_waited, stacked.train_epoch, device)}
        rates.append(interleaved(way, count * len(crystals), rounds)["stack"].rate)
        table.add_row(str(count), f"{rates[-1]:,.0f} ({rates[-1] / rates[0]:.1f}×)", f"{error:.1e}")
    print_table(title, table)


def name_of(device: torch.device) -> str:
    """Return the device's name and memory."""
    if device.type != "cuda":
        return "NO MEASUREMENT: a dry run on the CPU"
    facts = torch.cuda.get_device_properties(device)
    return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, torch {torch.__version__}"


def main() -> int:
    """Measure and print the tables; return the exit status, 2 if there is no GPU."""
    made = parser(__doc__)
    made.add_argument(
        "--device", default="cuda", help="cuda, cuda:1 …; cpu for a dry run that measures nothing"
    )
    made.add_argument("--seconds", type=float, default=20.0, help="that trainings share the GPU")
    options = made.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "gpu.py: error: torch finds no GPU here; --device cpu --quick shows that it runs", file=sys.stderr
        )
        return 2
    if device.type == "cuda":
        torch.cuda.set_device(device)
    trials: tuple[int, ...] = TRIALS
    if options.quick:
        options.crystals, options.rounds, options.seconds, trials = QUICK, 1, 1.0, (1, 2)
    torch.set_num_threads(1)
    crystals = load_normalised(options.data, options.crystals, device)
    where = f"{options.data}, {len(crystals):,} crystals, on {name_of(device)}"
    makers, missing = ways(crystals, options.original, device)
    figures, failures = measure(makers, crystals, options.rounds, device)
    print_figures(f"{where}\ncrystals a second, and over the original's", figures, missing + failures)
    best = max((name for name in figures if name != ORIGINAL), key=lambda name: figures[name].training.rate)
    work = {
        "data": options.data,
        "crystals": options.crystals,
        "device": str(device),
        "kernels": best.split(", ")[1],
        "cuda_graphs": "CUDA graphs" in best,
        "warm_ups": WARM_UPS,
    }
    share(f"{where}\nprocesses that share it ({best}), crystals a second", work, trials, options.seconds)
    try:
        stack(f"{where}\nnetworks in one stack, crystals a second", crystals, trials, options.rounds)
    except torch.OutOfMemoryError as error:
        print(f"  left out: networks in one stack: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
