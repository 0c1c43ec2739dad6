"""A trial draws random numbers as a fresh process does, except that a search repeats them."""

import pytest

RUN = """
def run(point):
    record(**{{str(number): float(value) for number, value in enumerate([{draws}])}})
    return 0.0
"""

IMPORTED = """
import random
import numpy as np
import torch
from numba import njit
from dh_project import record, trial_seed

@njit
def compiled():
    return np.random.random()

rng, generator, legacy, made = np.random.default_rng(), random.Random(), np.random.RandomState(), None
"""

DRAWS = {
    "random": "random.random()",
    "numpy": "np.random.random()",
    "torch": "torch.rand(1)",
    "a layer of torch": "torch.nn.Linear(1, 1).weight",
    "a generator of numpy": "rng.random()",
    "a legacy generator of numpy": "legacy.random()",
    "a generator of Python": "generator.random()",
    "compiled code": "compiled()",
    "the trial's seed": "trial_seed()",
    "a generator of the trial": "np.random.default_rng(trial_seed()).random()",
}


def numbers(end):
    assert end["state"] == "done", end["reason"]
    return list(end["facts"].values())


def module(source, draws):
    return source + RUN.format(draws=", ".join(draws))


def test_each_generator_has_other_numbers_in_each_trial_and_the_same_in_each_attempt(make_runs):
    source = module(IMPORTED, DRAWS.values())
    one, other = make_runs().of(source), make_runs().of(source)
    first, second = numbers(one.trial(0)), numbers(one.trial(1))
    for kind, mine, theirs in zip(DRAWS, first, second, strict=True):
        assert mine != theirs, kind
    assert numbers(one.trial(0, attempt=2)) == first
    assert numbers(other.trial(1, attempt=3)) == second  # in another worker, after no other trial


def test_the_seed_of_the_search_determines_the_numbers(make_runs):
    source = module(
        "import random\nfrom dh_project import record, trial_seed\n", ["random.random()", "trial_seed()"]
    )
    one, other = (numbers(make_runs(seed).of(source).trial()) for seed in (1, 2))
    assert not set(one) & set(other)


def test_each_rank_has_its_own_numbers_and_all_have_the_seed_of_the_trial(runs):
    runs.of(
        module(
            "import random\nfrom dh_project import record, trial_seed\n", ["random.random()", "trial_seed()"]
        )
    )
    first, second = (numbers(runs.trial(world_size=2, rank=rank)) for rank in (0, 1))
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert first[0] == numbers(runs.trial())[0]  # as in a trial of one process


@pytest.mark.parametrize(
    ("library", "draw"),
    [("numpy", "numpy.random.random()"), ("torch", "torch.rand(1)"), ("numba", "compiled(numba)")],
)
def test_a_library_that_a_trial_imports_is_seeded_too(runs, library, draw):
    compiled = (
        "def compiled(numba):\n    import numpy\n    return numba.njit(lambda: numpy.random.random())()\n"
    )
    source = f"from dh_project import record\n{compiled}def run(point):\n    import {library}\n"
    runs.of(source + f"    record(drawn=float({draw}))\n    return 0.0\n")
    first, second, again = (numbers(runs.trial(number)) for number in (0, 1, 0))
    assert first == again != second


SEEDED = {
    "random": ("import random\nrandom.seed(5)", "random.random()"),
    "numpy": ("import numpy as np\nnp.random.seed(5)", "np.random.random()"),
    "torch": ("import torch\ntorch.manual_seed(5)", "torch.rand(1)"),
    "a generator of numpy": ("import numpy as np\nrng = np.random.default_rng(5)", "rng.random()"),
    "one with much entropy": ("import numpy as np\nrng = np.random.default_rng(2**127)", "rng.random()"),
    "a legacy generator": ("import numpy as np\nrng = np.random.RandomState(5)", "rng.random()"),
    "a generator of Python": ("import random\nrng = random.Random(5)", "rng.random()"),
    "one that is seeded later": ("import random\nrng = random.Random()\nrng.seed(5)", "rng.random()"),
}


@pytest.mark.parametrize("kind", SEEDED)
def test_a_seed_that_the_module_sets_stands_as_in_a_fresh_process(runs, kind):
    lines, draw = SEEDED[kind]
    values = {}
    exec(f"{lines}\ndrawn = float({draw})", values)
    runs.of(module(f"{lines}\nfrom dh_project import record\n", [draw]))
    assert numbers(runs.trial(0)) == numbers(runs.trial(1)) == [values["drawn"]]


def test_a_module_that_each_trial_imports_anew_is_treated_alike(runs):
    lines = (
        "import atexit, random\nimport numpy as np\nfrom dh_project import record\natexit.register(print)\n"
    )
    made = "random.seed(5)\nrng = np.random.default_rng()\n"
    runs.of(module(lines + made, ["np.random.random()", "rng.random()", "random.random()"]))
    first, second, again = (numbers(runs.trial(number)) for number in (0, 1, 0))
    assert first == again
    assert [mine == theirs for mine, theirs in zip(first, second, strict=True)] == [False, False, True]
