"""``python -m dh_project.sites.ray_nodes ADDRESS NODES SECONDS``: wait until a Ray cluster has its nodes.

The exit status is 0 when they are there, and 1 when the time is over; a line says how many are there then.
"""

from __future__ import annotations

import sys
import time

PAUSE = 1.0
"""Seconds between two looks."""


def main(words: list[str]) -> int:
    """Wait; return the exit status."""
    address, wanted, seconds = words[0], int(words[1]), float(words[2])
    deadline = time.monotonic() + seconds
    while (there := nodes_there(address)) < wanted:
        if time.monotonic() >= deadline:
            print(
                f"Ray at {address}: {there} of {wanted} nodes are there after {seconds:g} s; above is what Ray said",
                file=sys.stderr,
            )
            return 1
        time.sleep(PAUSE)
    print(f"Ray at {address}: all {wanted} nodes are there", flush=True)
    return 0


def nodes_there(address: str) -> int:
    """Return how many nodes of a cluster live; 0 where it does not answer."""
    import ray

    try:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        return sum(node["Alive"] for node in ray.nodes())
    except (ConnectionError, RuntimeError, TimeoutError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
