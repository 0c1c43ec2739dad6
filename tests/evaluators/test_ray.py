import sys
import time

import pytest

from dh_project.assignment import Assignment, Setting
from dh_project.errors import UserError
from dh_project.evaluators.base import Resources
from dh_project.evaluators.ray import RayEvaluator
from dh_project.testing.evaluator import EvaluatorContract
from dh_project.trial import Ended, State

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster():
    """Address of a Ray cluster of one node and two cores, which goes on from test to test."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster.address
    cluster.shutdown()


class TestRayEvaluator(EvaluatorContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _cluster(cls, cluster):
        cls.address = cluster

    @classmethod
    def make(cls, setting, resources):
        return RayEvaluator(setting, Resources(num_workers=resources.num_workers, ray_address=cls.address))


def test_more_workers_than_the_cluster_holds_are_refused(cluster, tmp_path):
    with pytest.raises(UserError, match="holds 2 trials of 1 cores"):
        RayEvaluator(
            Setting("small_run.run", {}, str(tmp_path)), Resources(num_workers=3, ray_address=cluster)
        )


def test_an_address_where_no_cluster_is_gives_one_line(tmp_path):
    with pytest.raises(UserError, match="no Ray cluster can be reached") as caught:
        RayEvaluator(Setting("small_run.run", {}, str(tmp_path)), Resources(ray_address="127.0.0.1:1"))
    assert "\n" not in str(caught.value)


def test_a_node_that_is_killed_costs_its_trials_their_attempt_and_the_others_serve_on(samples, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    setting = Setting("small_run.run", {"seconds": 3.0}, str(tmp_path), [*sys.path, str(samples)])
    try:
        with RayEvaluator(setting, Resources(num_workers=2, ray_address=cluster.address)) as evaluator:
            for trial in range(2):
                evaluator.start(Assignment(trial, 1, {"x": 1.0}, str(tmp_path / str(trial))))
            while not all((tmp_path / str(trial) / "log.txt").exists() for trial in range(2)):
                evaluator.wait(0.1)
            cluster.remove_node(node, allow_graceful=False)
            ends = ends_of(evaluator, 2)
            assert sorted(ends.values()) == [State.DONE, State.LOST]
            for trial in (2, 3):
                evaluator.start(Assignment(trial, 1, {"x": 1.0}, str(tmp_path / str(trial))))
            assert ends_of(evaluator, 2) == {2: State.DONE, 3: State.DONE}
    finally:
        cluster.shutdown()


def ends_of(evaluator, count):
    """Wait for so many ends; return the states by trial."""
    ends, limit = {}, time.monotonic() + 120
    while len(ends) < count and time.monotonic() < limit:
        ends |= {event.trial: event.state for event in evaluator.wait(1.0) if isinstance(event, Ended)}
    return ends
