"""``python -m dh_project.hpc.batch_jobs.ray_nodes ADDRESS NODES SECONDS``: wait until a Ray cluster has its nodes.

The exit status is 0 when they are there, and 1 when the time is over; a line says how many are there then.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from threading import Timer

PAUSE = 1.0
"""Seconds between two looks."""


def main(words: list[str]) -> int:
    """Wait; return the exit status."""
    address, wanted, seconds = words[0], int(words[1]), float(words[2])
    there = 0

    def give_up() -> None:
        line = f"Ray at {address}: {there} of {wanted} nodes are there after {seconds:g} s; above is what Ray said"
        print(line, file=sys.stderr, flush=True)
        os._exit(1)  # Ray's own calls may last for minutes, and cannot be ended

    limit = Timer(seconds, give_up)
    limit.daemon = True
    limit.start()
    while (there := nodes_there(address)) < wanted:
        time.sleep(PAUSE)
    limit.cancel()
    print(f"Ray at {address}: all {wanted} nodes are there", flush=True)
    return 0


def nodes_there(address: str) -> int:
    """Return how many nodes of a cluster live; 0 where it does not answer."""
    import ray

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PAUSE).close()  # Ray says more where none listens
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        return sum(node["Alive"] for node in ray.nodes())
    except (OSError, RuntimeError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
