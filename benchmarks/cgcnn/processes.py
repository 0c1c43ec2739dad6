"""One training from a folder of CIF files, in a fresh process: ours, and the original's by its own command line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TELL = """
try:
    status = open("/proc/self/status").read()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("\\n" + json.dumps([time.process_time(), peak]))
"""
"""CPU seconds and the largest resident memory, MiB; getrusage alone would count the parent's before ``exec``."""

OURS = f"""\
import json, sys, time
from pathlib import Path
from dh_project.cgcnn_mp.model_run import run
point, arguments = json.loads(sys.argv[1])
run(point, **arguments)
{TELL}"""

ORIGINAL = f"""\
import json, random, runpy, sys, time, warnings
import torch
warnings.simplefilter("ignore")
seed, main, *words = sys.argv[1:]
torch.manual_seed(int(seed))
random.seed(int(seed))
sys.argv = [main, *words]
sys.path[0] = main.rpartition("/")[0]
runpy.run_path(main, run_name="__main__")
{TELL}"""

NOTHING = f"""\
import json, time
import torch
{TELL}"""


@dataclass(frozen=True)
class Setting:
    """What both are asked for; the rest is the original's defaults.

    Attributes:
        epochs: Epochs.
        optim: Optimizer.
        lr: Learning rate.
        seed: Of weights and shuffling.
        train_ratio: Share of training crystals.
        val_ratio: Share of validation crystals.
        test_ratio: Share of test crystals.
    """

    epochs: int = 30
    optim: str = "SGD"
    lr: float = 0.01
    seed: int = 0
    train_ratio: float = 0.6
    val_ratio: float = 0.2
    test_ratio: float = 0.2


@dataclass(frozen=True)
class Finished:
    """Time, memory and result of a process.

    Attributes:
        seconds: Wall time, from its start to its end.
        cpu_seconds: CPU time.
        peak: Largest resident memory, MiB.
        test_mae: Test MAE of the best epoch, in the label's unit; NaN if it trained nothing.
    """

    seconds: float
    cpu_seconds: float
    peak: float
    test_mae: float


def run_ours(
    folder: Path, setting: Setting, out: Path, cache: Path, split_files: Sequence[Path] | None = None
) -> Finished:
    """Run ``model_run.run`` on a folder of CIF files; what it writes goes to ``out``, graphs to ``cache``."""
    arguments = asdict(setting)
    point = {name: arguments.pop(name) for name in ("optim", "lr")}
    arguments |= {"data": str(folder), "folder": str(out), "cache_folder": str(cache)}
    arguments |= {"patience": None, "device": "cpu", "threads": 1}
    if split_files is not None:
        arguments["split_files"] = [str(path) for path in split_files]
    finished = _run([OURS, json.dumps([point, arguments])], out)
    metrics = json.loads((out / "metrics.json").read_text())
    return Finished(*finished, test_mae=metrics["test"]["mae"])


def run_original(clone: Path, folder: Path, setting: Setting, out: Path) -> Finished:
    """Run the original's ``main.py`` on a folder of CIF files, in the working directory ``out``."""
    words = [str(folder), "--disable-cuda", "--workers", "0"]
    for name, value in asdict(setting).items():
        if name != "seed":
            words += [f"--{name.replace('_', '-')}", str(value)]
    finished = _run([ORIGINAL, str(setting.seed), str(clone.resolve() / "main.py"), *words], out)
    with (out / "test_results.csv").open() as file:
        errors = [abs(float(label) - float(value)) for _, label, value in csv.reader(file)]
    return Finished(*finished, test_mae=sum(errors) / len(errors))


def run_nothing(out: Path) -> Finished:
    """Run a process that imports torch and ends."""
    return Finished(*_run([NOTHING], out), test_mae=float("nan"))


def _run(words: Sequence[str], out: Path) -> tuple[float, float, float]:
    """Return wall time, CPU time and peak memory of a script, given its text and arguments."""
    out.mkdir()
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", *words], cwd=out, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"a training ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    cpu_seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, cpu_seconds, peak
