"""Ways of doing one thing, timed in turns, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine


@dataclass(frozen=True)
class Timed:
    """What one way took.

    Attributes:
        items: Things done in a round.
        seconds: Of each round.
    """

    items: int
    seconds: list[float]

    @property
    def rate(self) -> float:
        """Things a second in the best round."""
        return self.items / min(self.seconds)

    def over(self, other: Timed) -> float:
        """Return how many times faster this way is, best round against best round."""
        return self.rate / other.rate

    def span(self, other: Timed) -> tuple[float, float]:
        """Return the least and the largest ratio to another way within one round."""
        scale = self.items / other.items
        pairs = zip(self.seconds, other.seconds, strict=True)
        ratios = [scale * theirs / ours for ours, theirs in pairs]
        return min(ratios), max(ratios)


def interleaved(
    ways: Mapping[str, Callable[[], object]], items: Mapping[str, int] | int, rounds: int
) -> dict[str, Timed]:
    """Time each function once in each round. Each round starts with another one.

    Args:
        ways: The functions by name. They have been called once before, if the first call takes longer.
        items: Number of items that one call processes.
        rounds: Number of rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    counts = items if isinstance(items, Mapping) else dict.fromkeys(names, items)
    return {name: Timed(counts[name], seconds[name]) for name in names}


def use_one_core() -> None:
    """Bind this process, and those that it starts, to one core and one thread each."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def print_speeds(
    title: str, timed: Mapping[str, Timed], peers: Sequence[str], missing: Sequence[str]
) -> None:
    """Print things a second, and ratios to each peer that was timed: the best rounds', and those in a round."""
    present = [peer for peer in peers if peer in timed]
    table = Table("", "a second", *(f"over {peer}" for peer in present), box=None)
    for name, one in timed.items():
        ratios = []
        for peer in present:
            low, high = one.span(timed[peer])
            ratios.append("1" if name == peer else f"{one.over(timed[peer]):.2f} ({low:.2f} to {high:.2f})")
        table.add_row(name, f"{one.rate:,.0f}", *ratios)
    print_table(title, table, missing)


def print_table(title: str, table: Table, missing: Sequence[str] = ()) -> None:
    """Print a table with its title, the machine's name, and the contestants that are missing."""
    console = Console(width=110, highlight=False)
    console.print(f"\n{title}\n{describe_machine()}\n")
    console.print(table)
    for line in missing:
        console.print(f"  left out: {line}")
