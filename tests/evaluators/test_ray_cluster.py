"""A cluster that a search starts is closed to everybody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HOST = """
import json, os, sys
from dh_project.evaluators.ray import RayEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import RunContext

before = dict(os.environ)
with RayEvaluator(RunContext("small_run.run", {}, "."), EvaluatorSettings(num_workers=1)) as evaluator:
    import ray
    folder = ray._private.worker._global_node.temp_dir
    print(json.dumps({"head": evaluator._head, "folder": folder, "token": os.environ["RAY_AUTH_TOKEN"]}), flush=True)
    sys.stdin.readline()
changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
print(json.dumps([name for name in changed if "AUTH" in name or "CLUSTER" in name]), flush=True)
"""

STRANGER = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).internal_kv_get(b"CLUSTER_METADATA", b"cluster")
except Exception as error:
    sys.exit(type(error).__name__)
"""


@pytest.fixture(scope="module")
def host():
    """The process of a search with its own cluster, and what it says of it."""
    words = [sys.executable, "-c", HOST]
    with subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process, json.loads(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize(
    "auth",
    [{"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}],
    ids=["no token", "wrong token"],
)
def test_a_client_without_the_token_is_refused(host, tmp_path, auth):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"HOME": str(tmp_path), **auth}
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, host[1]["head"]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "AuthenticationError" in done.stderr


def test_a_client_with_the_token_is_served(host):
    known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": host[1]["token"]}
    words = [sys.executable, "-c", STRANGER, host[1]["head"]]
    assert subprocess.run(words, env={**os.environ, **known}, timeout=120, check=False).returncode == 0


def test_it_listens_on_the_loopback_device_only_and_hides_its_token(host):
    process, told = host
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    listening = [each for of in family for each in of.net_connections("inet") if each.status == "LISTEN"]
    assert listening
    assert {each.laddr.ip.removeprefix("::ffff:") for each in listening} == {"127.0.0.1"}
    assert not any(told["token"] in word for of in family for word in of.cmdline())


def test_its_files_are_private_and_gone_at_the_end_and_the_environment_is_as_before(host):
    process, told = host
    parent = Path(told["folder"]).parent
    assert parent.stat().st_mode & 0o077 == 0
    process.stdin.write("\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == []
    assert process.wait(60) == 0
    assert not parent.exists()
