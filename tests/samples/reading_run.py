"""A run module that reads its standard input and starts threads when it is imported."""

import subprocess
import threading
import time

subprocess.run(["cat"], check=True)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def run(point):
    return 1.0
