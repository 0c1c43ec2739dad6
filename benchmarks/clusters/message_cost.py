"""Cost of the MPI evaluator's messages on rank 0: its bookkeeping with many ranks, and MPI's own time.

    python benchmarks/clusters/message_cost.py [ranks …]

The evaluator is the real one. Its ranks are simulated, answer at once and cost nothing. MPI's own time per message is
measured between two real ranks of this machine, which this script starts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from carriers import mpiexec
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from dh_project.evaluators.mpi import MPIEvaluator
from dh_project.evaluators.mpi_world import Message, World
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended
from dh_project.trial.shape import TrialShape
from dh_project.trial.trial import State

BURSTS, BURST = 200, 20
"""Messages that two ranks exchange at a time, and the number of such exchanges."""

REPETITIONS = 50


@dataclass(frozen=True)
class Messages:
    """Seconds of rank 0.

    Attributes:
        look: Of a look for messages that finds none.
        order: Of the start of a trial.
        event: Of a message with the end of a trial.
        alive: Of all ranks saying that they are there, and being told that rank 0 is.
    """

    look: float
    order: float
    event: float
    alive: float


class StandIn:
    """Ranks that answer at once."""

    rank = 0

    def __init__(self, ranks: int) -> None:
        self.size = ranks + 1
        self.inbox: list[tuple[int, Message]] = []

    def send(self, to: int, *message: Any) -> None:
        """Answer a message."""
        if message[0] == "who":
            self.inbox.append((to, ("here", f"node{to // 4}", [])))
        if message[0] == "close":
            self.inbox.append((to, ("closed",)))

    def received(self) -> list[tuple[int, Message]]:
        """Return the answers."""
        messages, self.inbox = self.inbox, []
        return messages


def measure_messages(ranks: int, sent: float, received: float) -> Messages:
    """Return the cost of messages with so many ranks.

    Args:
        ranks: How many carry workers.
        sent: Seconds that MPI takes to send a message.
        received: Seconds that it takes to receive one.
    """
    world = StandIn(ranks)
    evaluator = MPIEvaluator(
        cast(World, world), RunContext("", {}, ""), EvaluatorSettings(TrialShape(gpus=0))
    )
    try:
        order = seconds_of(
            [lambda trial=trial: evaluator.start(Assignment(trial, 1, {}, "")) for trial in range(ranks)]
        )

        def look() -> None:
            evaluator.wait(0.0)

        empty = seconds_of([look] * REPETITIONS)
        ends = []  # each without the time of a poll that finds nothing
        for trial in range(min(REPETITIONS, ranks)):
            world.inbox.append((1 + trial, ("event", Ended(trial, 1, State.DONE, 0.0, worker=""))))
            ends.append(seconds_of([look]) - seconds_of([look]))
        alive = []
        for _ in range(5):
            world.inbox = [(rank, ("alive",)) for rank in range(1, ranks + 1)]
            alive.append(seconds_of([look]))
    finally:
        evaluator.close()
    return Messages(
        empty,
        order + sent,
        max(0.0, statistics.median(ends)) + received,
        max(0.0, statistics.median(alive) - empty) + ranks * (sent + received),
    )


def seconds_of(calls: list[Any]) -> float:
    """Return the median processor time of calls, in seconds."""
    times = []
    for call in calls:
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


# ---- between real ranks


def measure_mpi() -> tuple[float, float]:
    """Return the seconds of rank 0 for a message that it sends, and for one that it receives."""
    command = [mpiexec(), "-n", "2", sys.executable, __file__, "--rank"]
    said = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout
    sent, received = json.loads(said)
    return sent, received


def be_a_rank() -> None:
    """Exchange messages; rank 0 prints the times."""
    with World() as world:
        if world.rank:
            while not any(message[0] == "leave" for message in answered(world)):
                pass
            world.send(0, "left")
            return
        sent, received = [], []
        for _ in range(BURSTS):
            began = time.perf_counter()
            for _ in range(BURST):
                world.send(1, "alive")
            sent.append(time.perf_counter() - began)
            time.sleep(0.005)
            began, came = time.perf_counter(), 0
            while came < BURST:
                came += len(world.received())
            received.append(time.perf_counter() - began)
        print(json.dumps([statistics.median(sent) / BURST, statistics.median(received) / BURST]))


def answered(world: World) -> list[Message]:
    """Return the messages that have arrived, after sending all but those to leave back."""
    messages = [message for _, message in world.received()]
    for message in messages:
        if message[0] != "leave":
            world.send(0, *message)
    return messages


def main() -> None:
    """Measure and print the table."""
    counts = [int(word) for word in sys.argv[1:]] or [1_000, 4_000, 16_000]
    sent, received = measure_mpi()
    table = Table(
        "milliseconds of rank 0, with so many others", *(f"{count:,}" for count in counts), box=None
    )
    costs = [measure_messages(count, sent, received) for count in counts]
    table.add_row("a look that finds nothing", *(f"{1e3 * cost.look:.3f}" for cost in costs))
    table.add_row("a trial's start", *(f"{1e3 * cost.order:.3f}" for cost in costs))
    table.add_row("a trial's end", *(f"{1e3 * cost.event:.3f}" for cost in costs))
    table.add_row("a round of signs of life", *(f"{1e3 * cost.alive:.1f}" for cost in costs))
    table.title = (
        f"a message: sent {1e6 * sent:.1f} us, received {1e6 * received:.1f} us; {describe_machine()}"
    )
    Console(width=110).print(table)


if __name__ == "__main__":
    if sys.argv[1:] == ["--rank"]:
        be_a_rank()
    else:
        main()
