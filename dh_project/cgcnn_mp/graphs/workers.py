"""Making graphs in child processes that are fed through pipes.

They are plain child processes, not multiprocessing's: those run the caller's main module once more, and a
daemonic caller may not have them. A child imports no torch, and pymatgen only where it must. It ends when its
input does, so none outlives its parent.
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
from dh_project.cgcnn_mp.crystals.sources import Written
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays

PATIENCE = 5.0
"""Seconds that a child which answers no more has to end by itself."""

Chunk = list[tuple[str, Written]]


class GraphRecipe(NamedTuple):
    """What a graph depends on beside its crystal.

    Attributes:
        radius: Cutoff, Å.
        most: Neighbours an atom, at most.
        ties: One of ``crystals.settings.TIES``.
        quotient: Whether crystals are folded by symmetry; with ``pymatgen``'s ties they never are.
    """

    radius: float
    most: int
    ties: str = "environment"
    quotient: bool = True


class Built(NamedTuple):
    """The graphs of a chunk.

    Attributes:
        ids: Of its C crystals.
        reasons: Why one has no graph; empty where it has.
        arrays: The graphs, end to end, without a class where there is none.
    """

    ids: list[str]
    reasons: list[str]
    arrays: GraphArrays


def build_chunk(chunk: Chunk, recipe: GraphRecipe) -> Built:
    """Make the graphs of a few crystals."""
    ids, written = [identifier for identifier, _ in chunk], [structure for _, structure in chunk]
    if recipe.ties == "pymatgen":
        from dh_project.cgcnn_mp.graphs.original_graphs import original_graphs  # imports pymatgen

        arrays, reasons = original_graphs(written, recipe.radius, recipe.most)
    else:
        from dh_project.cgcnn_mp.graphs.symmetry import folded_graphs  # imports numba

        arrays, reasons = folded_graphs(written, recipe.radius, recipe.most, recipe.quotient)
    return Built(ids, reasons, arrays)


def build_in_parallel(chunks: Iterable[Chunk], recipe: GraphRecipe, workers: int) -> Iterator[Built]:
    """Yield the graphs of chunks in their order, holding a few chunks at a time.

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
    """One child process; it takes pickled chunks from its input and answers with pickled graphs."""

    def __init__(self, recipe: GraphRecipe) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()", json.dumps(recipe)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the parent, whose end then ends the child
        )

    def __enter__(self) -> GraphWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # it has nothing to lose
        self._process.communicate()

    def build(self, chunk: Chunk) -> Built:
        """Make the graphs of a few crystals in the child."""
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
        """Return the status of a child that does not answer; end it if it lives."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def main() -> None:
    """Answer the parent until it closes the pipe (in the child process)."""
    recipe = GraphRecipe(*json.loads(sys.argv[1]))
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not get between the answers
    try:
        while True:
            pickle.dump(build_chunk(pickle.load(sys.stdin.buffer), recipe), answers)
            answers.flush()
    except (EOFError, BrokenPipeError):  # the parent is done, or gone
        os._exit(0)  # an ordinary exit would complain about answers that nobody reads
