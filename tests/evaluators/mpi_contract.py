"""Contract tests of the ``mpi`` evaluator: ``mpiexec -n 3 python mpi_contract.py``.

Rank 0 runs the tests, the others carry workers. ``test_mpi.py`` starts it.
"""

import sys
import time

import pytest

from dh_project.evaluators.mpi import MPIEvaluator
from dh_project.evaluators.mpi_carrier import carry
from dh_project.evaluators.mpi_world import ALIVE_SECONDS, World
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.testing.evaluator import EvaluatorContract, Trials
from dh_project.trial.attempt import RunContext
from dh_project.trial.trial import State


class Ranks:
    """Pytest plugin that gives the ranks to the tests."""

    of_this_process: World

    @pytest.fixture(scope="session")
    @classmethod
    def world(cls):
        return cls.of_this_process


class TestMPIEvaluator(EvaluatorContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _world(cls, world):
        cls.world = world

    @classmethod
    def make(cls, context, settings):
        return MPIEvaluator(cls.world, context, settings)


def test_no_rank_is_given_up_for_messages_that_rank_0_has_not_read(world, tmp_path):
    context = RunContext("dh_project.testing.runs.run", {}, str(tmp_path), sys.path)
    with MPIEvaluator(world, context, EvaluatorSettings(rank_timeout=2.5 * ALIVE_SECONDS)) as evaluator:
        trials = Trials(evaluator, tmp_path)
        trials.start("square", x=1.0)
        time.sleep(3 * ALIVE_SECONDS)
        assert trials.end().state is State.DONE
        assert evaluator.num_workers == 2


if __name__ == "__main__":
    with World() as world:
        if world.rank:
            world.status = carry(world)
        else:
            Ranks.of_this_process = world
            world.status = pytest.main([__file__, "-q", "-p", "no:cacheprovider"], plugins=[Ranks()])
    sys.exit(world.status)
