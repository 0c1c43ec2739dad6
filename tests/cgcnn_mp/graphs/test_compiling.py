"""Compiled functions, with and without a cache."""

import math
import os
import subprocess
import sys

import pytest

from dh_project.cgcnn_mp.graphs.compiling import compiled

pytestmark = pytest.mark.slow


def test_a_function_that_cannot_be_cached_is_compiled():
    """Code that is not in a file cannot be cached, as in an installation without write permission."""
    names: dict = {}
    exec("def twice(x):\n    return 2 * x", names)
    assert compiled(names["twice"])(21) == 42


def test_division_by_zero_is_infinite():
    @compiled
    def inverse(x: float) -> float:
        return 1.0 / x

    assert inverse(0.0) == math.inf


def test_callers_of_a_changed_function_are_compiled_again(tmp_path):
    """This holds even if the caller's file is unchanged, as after an update of the package."""
    (tmp_path / "caller.py").write_text(
        "from callee import value\nfrom dh_project.cgcnn_mp.graphs.compiling import compiled\n\n"
        "@compiled\ndef doubled():\n    return 2 * value()\n"
    )
    found = []
    for number in (1, 2):
        (tmp_path / "callee.py").write_text(
            "from dh_project.cgcnn_mp.graphs.compiling import compiled\n\n"
            f"@compiled\ndef value():\n    return {number}\n"
        )
        command = [sys.executable, "-c", "from caller import doubled; print(doubled())"]
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        environment = os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        found.append(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        )
    assert found == ["2\n", "4\n"]
