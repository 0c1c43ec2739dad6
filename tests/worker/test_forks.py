"""Trials are forked from a worker that has imported the run function, if a fork is as good as a fresh process."""

import pytest

RUN = """
import os
from dh_project import record
IMPORTED_BY = os.getpid()
def run(point):
    record(is_forked=IMPORTED_BY == os.getppid())
    return float(total())
"""

UNFIT = {
    "GNU OpenMP of Numba": """
import numpy as np
from numba import config, njit, prange
config.THREADING_LAYER = "omp"
@njit(parallel=True)
def total(values=np.ones(1000)):
    result = 0.0
    for index in prange(values.size):
        result += values[index]
    return result
total()
""",
    "OpenMP threads of torch": """
import torch
def total(values=torch.ones(1000, 1000)):
    return (values + 0.0).exp().log().sum() / 1000
assert torch.get_num_threads() > 1
total()
""",
    "OpenMP threads of scikit-learn": """
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
def total(x=np.arange(20000.0).reshape(-1, 2)):
    return 1000.0 * (len(HistGradientBoostingRegressor(max_iter=2).fit(x, x[:, 0]).predict(x)) == len(x))
total()
""",
    "a thread": """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
def total():
    return 1000
""",
    "an exit function": """
import atexit
atexit.register(print)
def total():
    return 1000
""",
}

FIT = {
    "threads of OpenBLAS": """
import numpy as np
def total(values=np.eye(1000)):
    return np.trace(values @ values)
total()
""",
    "threads that have ended": """
import threading
for _ in range(3):
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
def total():
    return 1000
""",
    "torch": """
import torch
def total():
    return torch.ones(10, 10).exp().log().sum() * 10
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "threads"),
    [(kind, threads) for kind in UNFIT for threads in (1, 2) if threads > 1 or "torch" not in kind],
)
def test_trials_of_a_module_that_is_not_fit_for_forks_import_it_themselves(make_runs, kind, threads):
    runs = make_runs(threads=threads).of(UNFIT[kind] + RUN)
    for number in range(2):
        end = runs.trial(number, time_limit=60.0)
        assert (end["state"], end["objective"]) == ("done", pytest.approx(1000.0)), end["reason"]
        assert end["facts"]["is_forked"] is (threads == 1 and "scikit-learn" in kind)


@pytest.mark.parametrize("kind", FIT)
def test_trials_of_other_modules_are_forked(make_runs, kind):
    runs = make_runs(threads=2).of(FIT[kind] + RUN)
    for number in range(2):
        end = runs.trial(number, time_limit=60.0)
        assert (end["state"], end["objective"]) == ("done", pytest.approx(1000.0)), end["reason"]
        assert end["facts"]["is_forked"] is True


def test_a_trial_that_dies_of_a_fork_tells_why(runs):
    runs.of(
        "import numpy as np, os\nfrom numba import config, njit, prange\nconfig.THREADING_LAYER = 'omp'\n"
        "@njit(parallel=True)\ndef total(values):\n    result = 0.0\n"
        "    for index in prange(values.size):\n        result += values[index]\n    return result\n"
        "def run(point):\n    total(np.ones(10))\n    if (child := os.fork()) == 0:\n"
        "        total(np.ones(10))\n    os.kill(os.getpid(), os.WTERMSIG(os.waitpid(child, 0)[1]))\n"
    )
    assert "this is unsafe" in runs.trial()["reason"]
