import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dh_project.common.errors import UserError
from dh_project.evaluators import ray as ray_evaluator
from dh_project.evaluators.base import NoWorkersLeft
from dh_project.evaluators.ray import RayEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths
from dh_project.testing.evaluator import EvaluatorContract
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended
from dh_project.trial.shape import TrialShape
from dh_project.trial.trial import State

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster():
    """Address of a Ray cluster with one node and two cores, shared by the tests."""
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
    def make(cls, context, settings):
        return RayEvaluator(
            context, EvaluatorSettings(num_workers=settings.num_workers, ray_address=cls.address)
        )


def test_more_workers_than_the_cluster_holds_are_refused(cluster, tmp_path):
    with pytest.raises(UserError, match="holds 2 trials of 1 cores"):
        RayEvaluator(
            RunContext("small_run.run", {}, str(tmp_path)),
            EvaluatorSettings(num_workers=3, ray_address=cluster),
        )


def test_a_cluster_of_another_version_is_named(cluster, tmp_path):
    from ray._raylet import GcsClient

    told = GcsClient(address=cluster)
    place = (b"CLUSTER_METADATA", b"cluster")
    metadata = told.internal_kv_get(*place)
    other = json.dumps(json.loads(metadata) | {"ray_version": "2.9.3"}).encode()
    told.internal_kv_put(place[0], other, True, place[1])
    try:
        with pytest.raises(UserError, match=r"2\.9\.3") as caught:
            RayEvaluator(
                RunContext("small_run.run", {}, str(tmp_path)), EvaluatorSettings(ray_address=cluster)
            )
        assert "one environment for both" in str(caught.value)
    finally:
        told.internal_kv_put(place[0], metadata, True, place[1])


def test_an_address_without_a_cluster_is_refused_in_one_line(tmp_path):
    with pytest.raises(UserError, match="no Ray cluster can be reached") as caught:
        RayEvaluator(
            RunContext("small_run.run", {}, str(tmp_path)), EvaluatorSettings(ray_address="127.0.0.1:1")
        )
    assert "\n" not in str(caught.value)


def test_a_trial_has_its_cores_on_one_node(tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    cluster.add_node(num_cpus=3)
    settings = EvaluatorSettings(TrialShape(cores=2), 3, ray_address=cluster.address)
    try:
        with pytest.raises(UserError, match=r"6 cores, 0 GPUs\) holds 2 trials of 2 cores"):
            RayEvaluator(RunContext("small_run.run", {}, str(tmp_path)), settings)
    finally:
        cluster.shutdown()


def test_a_node_that_vanishes_costs_a_search_one_attempt_at_its_trials(samples, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    try:
        search = subprocess.Popen(
            [
                *(sys.executable, "-m", "dh_project.cli.main", "hps", "random", "--evaluator", "ray"),
                *("--ray-address", cluster.address, "--max-evals", "12", "--log-dir", str(tmp_path / "one")),
                *("--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")),
                *("--run-kwargs", "seconds=1"),
            ],
            cwd=tmp_path,
        )
        paths = SearchPaths(tmp_path / "one")
        while not paths.journal.exists() or len(histories(paths).ended) < 4:
            assert search.poll() is None
            time.sleep(0.1)
        cluster.remove_node(node, allow_graceful=False)
        assert search.wait(120) == 0
    finally:
        cluster.shutdown()
    ended = histories(paths).ended
    assert [trial.state for trial in ended] == [State.DONE] * 12
    assert sorted(trial.attempt for trial in ended) == [1] * 11 + [2]


def histories(paths):
    return History.replay(scan(paths.journal)[0])


def test_a_cluster_whose_head_dies_leaves_no_worker(samples, tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray_evaluator, "KNOCK_SECONDS", 0.5)
    monkeypatch.setattr(ray_evaluator, "GONE_SECONDS", 2.0)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    context = RunContext("small_run.run", {"seconds": 600.0}, str(tmp_path), [*sys.path, str(samples)])
    try:
        with RayEvaluator(context, EvaluatorSettings(ray_address=cluster.address)) as evaluator:
            evaluator.start(Assignment(0, 1, {"x": 1.0}, str(tmp_path / "0")))
            while not Path(tmp_path / "0" / "log.txt").exists():
                evaluator.wait(0.1)
            cluster.head_node.kill_gcs_server()
            with pytest.raises(NoWorkersLeft, match="head of the Ray cluster"):
                ends_of(evaluator, 1)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()


def ends_of(evaluator, count):
    """Wait for so many ends, and return the state of each trial."""
    ends, limit = {}, time.monotonic() + 120
    while len(ends) < count and time.monotonic() < limit:
        ends |= {event.trial: event.state for event in evaluator.wait(1.0) if isinstance(event, Ended)}
    return ends


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_the_token_is_sent_only_to_a_cluster_that_requires_it(samples, tmp_path, mode):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("7" * 64)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    port = str(free_port())
    head = subprocess.Popen(
        [*RAY, "start", "--head", "--port", port, "--num-cpus=1", "--include-dashboard=false", "--block"],
        env={**environment, "RAY_AUTH_MODE": mode},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_port(port)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dh_project.cli.main", "hps", "random", "--evaluator", "ray"),
                *("--ray-address", f"127.0.0.1:{port}", "--max-evals", "2", "--log-dir", "one"),
                *("--problem", str(samples / "small_problem.py"), "--run", str(samples / "small_run.py")),
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "2 trials ended, 0 of them failed" in done.stdout, done.stderr
    finally:
        head.terminate()  # it ends the cluster; a signal to all of that at once takes half a minute
        head.wait(60)


RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for_port(port):
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
            return
        time.sleep(0.2)
    raise AssertionError("the head does not start")
