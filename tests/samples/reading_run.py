"""A run module that reads its standard input and starts a thread when it is imported, which then holds a lock."""

import subprocess
import threading
import time

subprocess.run(["cat"], check=True)

lock, is_held = threading.Lock(), threading.Event()


def hold():
    with lock:
        is_held.set()
        time.sleep(2.0)
    time.sleep(600)


threading.Thread(target=hold, daemon=True).start()
is_held.wait()


def run(point):
    """Return whether the lock can be had; in a fork of this process nobody would ever let it go."""
    return float(lock.acquire(timeout=10.0))
