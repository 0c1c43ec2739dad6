"""Builds graphs in child processes that communicate through pipes.

The module does not use ``multiprocessing``, which would import the caller's main module again, and which daemonic
processes may not use. A child does not import torch, and imports pymatgen only if necessary. It ends when its input
is closed, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.settings import LIKE_ORIGINAL
from dh_project.cgcnn_mp.crystals.sources import Written
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays

PATIENCE = 5.0
"""Seconds that a child which no longer answers has to end by itself."""

Chunk = list[tuple[str, Written]]


class GraphRecipe(NamedTuple):
    """The settings that a graph depends on, beside its crystal.

    Attributes:
        radius: Cutoff radius, Å.
        most: Neighbours of each atom, at most.
        ties: One of ``crystals.settings.TIES``.
        quotient: Whether crystals are folded by symmetry. They never are with the ties of ``LIKE_ORIGINAL``.
    """

    radius: float
    most: int
    ties: str = "environment"
    quotient: bool = True


class Built(NamedTuple):
    """The graphs of a chunk.

    Attributes:
        ids: Material ids of the C crystals.
        reasons: The reason for each crystal without a graph; empty for the others.
        notes: What was repaired or assumed when a crystal was read; empty if nothing was.
        arrays: The graphs, concatenated; an unusable crystal has no class.
    """

    ids: list[str]
    reasons: list[str]
    notes: list[str]
    arrays: GraphArrays


def build_chunk(chunk: Chunk, recipe: GraphRecipe) -> Built:
    """Build the graphs of a few crystals in this process."""
    ids, written = [identifier for identifier, _ in chunk], [structure for _, structure in chunk]
    if recipe.ties in LIKE_ORIGINAL:
        from dh_project.cgcnn_mp.graphs.original_graphs import original_graphs  # imports pymatgen

        arrays, remarks = original_graphs(written, recipe.radius, recipe.most, recipe.ties == "original")
    else:
        from dh_project.cgcnn_mp.graphs.symmetry import folded_graphs  # imports numba

        arrays, remarks = folded_graphs(written, recipe.radius, recipe.most, recipe.quotient)
    return Built(ids, remarks.reasons, remarks.notes, arrays)


def build_in_parallel(chunks: Iterable[Chunk], recipe: GraphRecipe, workers: int) -> Iterator[Built]:
    """Yield the graphs of chunks in their order; only a few chunks are in memory at a time.

    Raises:
        DataError: A child process died.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[GraphWorker] = SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(GraphWorker(recipe)))

        def build(chunk: Chunk) -> Built:
            worker = idle.get()
            try:
                return worker.build(chunk)
            finally:
                idle.put(worker)

        threads = stack.enter_context(ThreadPoolExecutor(workers))
        waiting: deque[Future[Built]] = deque()
        for chunk in chunks:
            waiting.append(threads.submit(build, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class GraphWorker:
    """A child process that receives pickled chunks and answers with pickled graphs."""

    def __init__(self, recipe: GraphRecipe) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()", json.dumps(recipe)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C reaches only the parent; the child ends after it
        )

    def __enter__(self) -> GraphWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # it has nothing to lose
        self._process.communicate()

    def build(self, chunk: Chunk) -> Built:
        """Build the graphs of a few crystals in the child process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(chunk, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            status, first, last = self._end(), chunk[0][0], chunk[-1][0]
            raise DataError(
                f"a process that built graphs ended with status {status} between {first} and {last}: "
                "out of memory? Try again with fewer cores, or take these crystals out"
            ) from None

    def _end(self) -> int:
        """Return the exit status of a child that does not answer; kill it if necessary."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def main() -> None:
    """Answer the parent until it closes the pipe. This runs in the child process."""
    recipe = GraphRecipe(*json.loads(sys.argv[1]))
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # a library's prints must not mix with the answers
    try:
        while True:
            pickle.dump(build_chunk(pickle.load(sys.stdin.buffer), recipe), answers)
            answers.flush()
    except (EOFError, BrokenPipeError):  # the parent has finished or died
        os._exit(0)  # a normal exit would complain about unread answers
