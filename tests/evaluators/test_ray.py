import pytest

from dh_project.assignment import Setting
from dh_project.errors import UserError
from dh_project.evaluators.base import Resources
from dh_project.evaluators.ray import RayEvaluator
from dh_project.testing.evaluator import EvaluatorContract

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
