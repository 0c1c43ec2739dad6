"""A run module that starts a process when imported, and takes long."""

import os
import subprocess
import time
from pathlib import Path

child = subprocess.Popen(["sleep", "600"], start_new_session=True)
Path("worker").write_text(str(os.getpid()))
Path("grandchild").write_text(str(child.pid))
time.sleep(600)
