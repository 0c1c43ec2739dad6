"""Waits until all nodes have joined a Ray cluster.

Run as ``python -m dh_project.hpc.batch_jobs.ray_nodes ADDRESS NODES SECONDS``.

The exit status is 0 if all nodes have joined, and 1 if the time is over; then a line says how many have joined.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from threading import Timer

PAUSE = 1.0
"""Seconds between two checks."""


def main(words: list[str]) -> int:
    """Wait for the nodes, and return the exit status."""
    address, wanted, seconds = words[0], int(words[1]), float(words[2])
    there = 0

    def give_up() -> None:
        line = f"Ray at {address}: {there} of {wanted} nodes have joined after {seconds:g} s; Ray's output is above"
        print(line, file=sys.stderr, flush=True)
        os._exit(1)  # a call into Ray may last for minutes and cannot be ended

    limit = Timer(seconds, give_up)
    limit.daemon = True
    limit.start()
    while (there := nodes_there(address)) < wanted:
        time.sleep(PAUSE)
    limit.cancel()
    print(f"Ray at {address}: all {wanted} nodes have joined", flush=True)
    return 0


def nodes_there(address: str) -> int:
    """Return how many nodes of a cluster are alive; 0 if it does not answer."""
    import ray

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection(
            (host, int(port)), timeout=PAUSE
        ).close()  # Ray prints a lot if nobody listens
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        return sum(node["Alive"] for node in ray.nodes())
    except (OSError, RuntimeError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
