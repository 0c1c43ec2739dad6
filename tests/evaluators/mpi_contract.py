"""The contract of an evaluator, held to the ``mpi`` one: ``mpiexec -n 3 python mpi_contract.py``.

Rank 0 runs the tests, the others carry workers. ``test_mpi.py`` starts it.
"""

import sys

import pytest

from dh_project.evaluators.mpi import MPIEvaluator
from dh_project.evaluators.mpi_world import World, carry
from dh_project.testing.evaluator import EvaluatorContract


class Ranks:
    """A plugin of pytest by which the tests come to the ranks."""

    def __init__(self, world):
        self.world = world

    @pytest.fixture(scope="class", autouse=True)
    def _world(self, request):
        request.cls.world = self.world


class TestMPIEvaluator(EvaluatorContract):
    @classmethod
    def make(cls, setting, resources):
        return MPIEvaluator(cls.world, setting, resources)


if __name__ == "__main__":
    with World() as world:
        if world.rank:
            world.status = carry(world)
        else:
            world.status = pytest.main([__file__, "-q", "-p", "no:cacheprovider"], plugins=[Ranks(world)])
    sys.exit(world.status)
