"""Real processes as the ranks of one trial, started as by an evaluator."""

import multiprocessing
import os
import traceback
from contextlib import suppress
from pathlib import Path

from dh_project.trial.ranks import folder_of
from dh_project.trial.reporting import Connection, connect

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["dh_project.cgcnn_mp.model_run"])

LIMIT = 60
"""Seconds after which a rank is taken to hang."""


class Heard(Connection):
    """The worker of a rank. It returns reports and records to the test, and answers the first rank."""

    def __init__(self, folder, predecessors, last_epoch):
        self.folder = self.home = folder
        self.predecessors, self.last_epoch = predecessors, last_epoch
        self.reports, self.facts = [], {}

    def report(self, step, objective, of=None):
        self.reports.append((step, objective))
        return step != self.last_epoch

    def record(self, facts):
        self.facts.update(facts)


def run_ranks(size, function, arguments, folder, predecessors=(), last_epoch=None, of=None):
    """Call a function in so many ranks; return what each returned or raised, and each one's connection.

    Args:
        size: How many ranks.
        function: Called as ``function(*arguments)``; what it returns is pickled.
        arguments: Its arguments.
        folder: Of the attempt.
        predecessors: Folders of attempts before it.
        last_epoch: The report that the first rank's worker answers with False.
        of: The ranks that are waited for; None: all.
    """
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(size)]
    ranks = [
        CONTEXT.Process(
            target=_be_rank,
            args=(number, size, function, arguments, str(folder), predecessors, last_epoch, pipe[1]),
        )
        for number, pipe in enumerate(pipes)
    ]
    for process in ranks:
        process.start()
    try:
        for _, own_end in pipes:
            own_end.close()
        return [_received(number, pipes[number][0]) for number in (range(size) if of is None else of)]
    finally:
        for process in ranks:
            process.kill()
            process.join()


def _received(number, end):
    assert end.poll(LIMIT), f"rank {number} hangs"
    with suppress(EOFError):
        return end.recv()
    return RuntimeError(f"rank {number} died"), None


def _be_rank(number, size, function, arguments, folder, predecessors, last_epoch, end):
    os.environ.update(RANK=str(number), WORLD_SIZE=str(size))
    own = Path(folder_of(folder, number))
    own.mkdir(parents=True, exist_ok=True)
    heard = Heard(own, list(predecessors), last_epoch if number == 0 else None)
    connect(heard)
    try:
        end.send((function(*arguments), heard))
    except Exception as error:
        traceback.print_exc()
        end.send((error, heard))
    end.close()
