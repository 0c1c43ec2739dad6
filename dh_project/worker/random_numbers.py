"""Random numbers of trials: those of a fresh process, except that a search repeats them.

A trial is forked from its worker, so that it would inherit the worker's generators, and all trials would draw the
same numbers. Therefore each trial seeds the generators anew, from the seed of the search, the trial's number and its
rank. The attempt does not count: an interrupted trial draws the numbers of one that was not interrupted.

A generator that the run function's module has seeded when it was imported (``np.random.seed(0)`` at its top) keeps
its state, as in a fresh process. Generators that the module made without a seed (``rng = np.random.default_rng()``)
are seeded too. Libraries that a trial imports later are seeded when they are imported.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from dh_project.trial.seeds import seed_of

NUMPY = "numpy.random"


def _seed_numpy(module: Any, seed: int) -> None:
    state = module.RandomState([seed >> 32, seed % 2**32]).get_state()
    module.set_state(state)  # unlike seed(), it does not mark the generator as seeded


def _seed_torch(module: Any, seed: int) -> None:
    module.manual_seed(seed)  # that of GPUs too, when they are first used


def _seed_numba(module: Any, seed: int) -> None:
    with suppress(
        ImportError, AttributeError
    ):  # compiled code has generators of its own, without a public way in
        inner: Any = import_module("numba._helperlib")
        for pointer in (inner.rnd_get_np_state_ptr(), inner.rnd_get_py_state_ptr()):
            inner.rnd_seed(pointer, seed % 2**32)


LIBRARIES: dict[str, Callable[[Any, int], None]] = {
    NUMPY: _seed_numpy,
    "torch": _seed_torch,
    "numba": _seed_numba,
}
"""Modules with generators of their own, and the function that seeds them."""


class RandomNumbers(MetaPathFinder):
    """The generators of this process.

    Args:
        seed: Seed of the search.
    """

    def __init__(self, seed: int) -> None:
        self._search_seed = seed
        self._seed = seed_of(seed)
        self._unseeded: dict[int, random.Random] = {}
        self._bit_generators: list[Any] = []
        self._seeded: set[str] = set()  # libraries that the imported code has seeded
        self._state: Any = None  # of Python's generator, if the imported code has seeded it

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Note which generators are seeded by the block, which imports the run function."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        random.seed(self._seed)
        self._unseeded[id(random._inst)] = random._inst
        for name, seed in LIBRARIES.items():
            if name in sys.modules:
                seed(sys.modules[name], self._seed)
        with self._noting_python(), self._noting_numpy():
            yield
        if id(random._inst) not in self._unseeded:
            self._state = random.getstate()
        if (numpy := sys.modules.get(NUMPY)) and numpy.get_bit_generator().seed_seq is None:
            self._seeded.add(NUMPY)
        if (torch := sys.modules.get("torch")) and torch.initial_seed() != self._seed:
            self._seeded.add("torch")

    def begin(self, trial: int, rank: int) -> None:
        """Seed all generators that the imported code has not seeded."""
        self._seed = seed_of(self._search_seed, trial, rank)
        for number, generator in enumerate(self._unseeded.values()):
            generator.seed(seed_of(self._seed, number))
        if self._state is not None:  # Python seeds its generator at random in a fork
            random.setstate(self._state)
        for number, bits in enumerate(self._bit_generators):
            bits.state = type(bits)(seed_of(self._seed, number)).state
        for name, seed in LIBRARIES.items():
            if name in sys.modules and name not in self._seeded:
                seed(sys.modules[name], self._seed)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the libraries as the other finders do, and seed it when it has been imported."""
        if fullname not in LIBRARIES:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_seed(module: ModuleType) -> None:
                execute(module)
                LIBRARIES[fullname](module, self._seed)

            spec.loader.exec_module = execute_and_seed  # type: ignore[method-assign]
        return spec

    @contextmanager
    def _noting_python(self) -> Iterator[None]:
        """Note which objects of ``random.Random`` have no seed of their own."""
        seed_method, seed_function = random.Random.seed, random.seed

        def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            seed_method(generator, a, version)
            if a is None:
                self._unseeded[id(generator)] = generator
            else:
                self._unseeded.pop(id(generator), None)

        random.Random.seed = seed  # type: ignore[method-assign, assignment]
        random.seed = random._inst.seed
        try:
            yield
        finally:
            random.Random.seed = seed_method  # type: ignore[method-assign]
            random.seed = seed_function

    @contextmanager
    def _noting_numpy(self) -> Iterator[None]:
        """Note which generators of NumPy took their seed from the system."""
        import secrets

        drawn: dict[int, None] = {}
        system = secrets.randbits

        def randbits(k: int) -> int:
            drawn[bits := system(k)] = None
            return bits

        # NumPy takes the function from here when it is imported; if it was before, it has it already
        secrets.randbits = randbits
        bit_generator: Any = sys.modules.get(f"{NUMPY}.bit_generator")
        if bit_generator is not None:
            bit_generator.randbits = randbits
        try:
            yield
        finally:
            secrets.randbits = system
            bit_generator = sys.modules.get(f"{NUMPY}.bit_generator")
            if bit_generator is not None:
                bit_generator.randbits = system
        if drawn:
            numpy: Any = sys.modules.get(NUMPY)
            kinds = () if numpy is None else (numpy.BitGenerator,)
            found = {
                each.seed_seq.entropy: each
                for each in gc.get_objects()
                if issubclass(type(each), kinds) and each.seed_seq is not None
            }
            own = None if numpy is None else numpy.get_bit_generator()
            self._bit_generators = [found[bits] for bits in drawn if bits in found and found[bits] is not own]
