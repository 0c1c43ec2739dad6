"""The machine that a table was measured on."""

import os
import platform
import sys
from pathlib import Path


def describe_machine() -> str:
    """Return processor, cores, memory and Python in one line."""
    model, memory = platform.processor(), ""
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return f"{model}, {os.cpu_count()} cores{memory}, Python {platform.python_version()}"
