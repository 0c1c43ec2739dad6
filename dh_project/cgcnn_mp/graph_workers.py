"""Making graphs in child processes that are fed through pipes.

They are plain child processes, not multiprocessing's: those run the caller's main module once more, and a
daemonic caller may not have them. A child imports pymatgen and no torch. It ends when its input does, so none
outlives its parent.
"""

from __future__ import annotations

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

from dh_project.cgcnn_mp.crystals import Written
from dh_project.cgcnn_mp.errors import DataError
from dh_project.cgcnn_mp.neighbours import Graph, UnusableCrystal, build_graph

Chunk = list[tuple[str, Written]]
Built = list[tuple[str, Graph | str]]
"""Ids with their graph, or with the reason why there is none."""


def build_chunk(chunk: Chunk, radius: float, count: int) -> Built:
    """Make the graphs of a few crystals."""
    return [(identifier, _graph_or_reason(written, radius, count)) for identifier, written in chunk]


def _graph_or_reason(written: Written, radius: float, count: int) -> Graph | str:
    try:
        return build_graph(written, radius, count)
    except UnusableCrystal as reason:
        return str(reason)


def build_in_parallel(chunks: Iterable[Chunk], radius: float, count: int, workers: int) -> Iterator[Built]:
    """Yield the graphs of chunks in their order, holding a few chunks at a time.

    Raises:
        DataError: A child process died.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[GraphWorker] = SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(GraphWorker(radius, count)))

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

    def __init__(self, radius: float, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(radius), str(count)],
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
            status, first, last = self._process.wait(), chunk[0][0], chunk[-1][0]
            raise DataError(
                f"a process that built graphs ended with status {status} between {first} and {last}: "
                "out of memory? Try again with fewer cores, or take these crystals out"
            ) from None


def main() -> None:
    """Answer the parent until it closes the pipe (in the child process)."""
    radius, count = float(sys.argv[1]), int(sys.argv[2])
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not get between the answers
    try:
        while True:
            pickle.dump(build_chunk(pickle.load(sys.stdin.buffer), radius, count), answers)
            answers.flush()
    except (EOFError, BrokenPipeError):  # the parent is done, or gone
        os._exit(0)  # an ordinary exit would complain about answers that nobody reads


if __name__ == "__main__":
    main()
