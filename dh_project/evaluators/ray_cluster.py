"""The Ray cluster that a search starts on its machine, or connects to."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

OPTIONS: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}

ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""If 0, Ray listens only on the loopback device, as it does by default on Windows and macOS."""


class OwnCluster:
    """A Ray cluster on this machine that only this process can use.

    Ray runs any program that a client sends to its ports. Therefore the cluster requires a random token, listens on
    the loopback device, and keeps its files in a folder that other users cannot enter.

    Args:
        ray: The module.
        cores: Cores of the cluster.
        gpus: GPUs of the cluster.
    """

    def __init__(self, ray: Any, cores: int, gpus: int) -> None:
        self._ray = ray
        own = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            ON_LOOPBACK: "0",
            "RAY_kill_child_processes_on_worker_exit": "false",  # our workers end theirs themselves, and all of them
        }
        self._before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        short = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="dh-ray-", dir=short))
        _forget_settings(ray)
        try:
            ray.init(
                address="local",
                num_cpus=cores,
                num_gpus=gpus,
                include_dashboard=False,
                _temp_dir=str(
                    self._folder / "ray"
                ),  # Ray lets everybody into this one, but not into its parent
                **OPTIONS,
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the cluster, remove its files and restore the environment of this process."""
        self._ray.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _forget_settings(self._ray)


def _forget_settings(ray: Any) -> None:
    """Let Ray read the environment again, which it does only once per process."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    ray_constants.ENABLE_RAY_CLUSTER = ray_constants.env_bool(
        ON_LOOPBACK, sys.platform not in ("darwin", "win32")
    )


def connect(ray: Any, address: str, password: str | None) -> None:
    """Connect this process to a running cluster.

    Args:
        ray: The module.
        address: Address of the cluster: ``auto`` or ``host:port``.
        password: Password of the cluster, if it has one.

    Raises:
        UserError: The cluster cannot be reached.
    """
    options = OPTIONS if password is None else {**OPTIONS, "_redis_password": password}
    try:
        knock(address)
        ray.init(address=_head_that_knows_us(ray, address), **options)
    except Exception as error:  # Ray raises many kinds of errors
        ray.shutdown()  # it may be partly connected
        if "Version mismatch" in str(error):
            raise UserError(
                f"--ray-address {address}: {one_line(error)[:300]}; use one environment for both"
            ) from None
        raise UserError(
            f"--ray-address {address}: no Ray cluster can be reached there "
            f"({one_line(error)[:200]}); start one with: ray start --head"
        ) from None


def _head_that_knows_us(ray: Any, address: str) -> str:
    """Return the address of a cluster's head, and make Ray send its token if the head asks for one.

    ``ray start`` requires the token if ``~/.ray/auth_token`` exists, but ``ray.init`` sends it only on request. A
    head that does not require a token refuses actors of a process that sends one. Ray's own commands test the head
    in the same way.
    """
    from ray._private.services import canonicalize_bootstrap_address_or_die
    from ray._raylet import Config, GcsClient  # type: ignore[attr-defined]

    head: str = canonicalize_bootstrap_address_or_die(address)
    if "RAY_AUTH_MODE" not in os.environ:
        try:
            GcsClient(address=head)
        except ray.exceptions.AuthenticationError:
            os.environ["RAY_AUTH_MODE"] = "token"
            Config.initialize("")
    return head


def knock(address: str, timeout: float = 10.0) -> None:
    """Open and close a connection to ``host:port``, because Ray waits for minutes if nothing listens there."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=timeout).close()
