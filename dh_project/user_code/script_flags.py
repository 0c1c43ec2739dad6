"""Hyperparameters as flags of a script, and the flags that its ``--help`` names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, did_you_mean

HELP_SECONDS = 60.0
"""Longest time for a script to print its help."""


def flags(point: Mapping[str, Any], names: Mapping[str, str] | None = None) -> list[str]:
    """Return a point as the words of a command line.

    True becomes a flag without a value. Hyperparameters that are False or None are left out. A list becomes one word
    for each value.

    Args:
        point: The hyperparameters.
        names: Flags of hyperparameters whose flag is not their name with dashes (``{"batch_size": "-b"}``).

    Example:
        >>> flags({"batch_size": 32, "nesterov": True, "seed": None, "milestones": [50, 80], "shift": -0.5})
        ['--batch-size', '32', '--nesterov', '--milestones', '50', '80', '--shift=-0.5']
    """
    words: list[str] = []
    for name, value in point.items():
        if value is None or value is False:
            continue
        flag = (names or {}).get(name, default_flag(name))
        values = [_word(item) for item in (value if isinstance(value, list | tuple) else [value])]
        if value is True:
            words.append(flag)
        elif len(values) == 1 and values[0].startswith("-") and flag.startswith("--"):
            words.append(f"{flag}={values[0]}")  # the word alone would be taken for a flag
        else:
            words += [flag, *values]
    return words


def default_flag(name: str) -> str:
    """Return the flag of a hyperparameter, unless another one is given.

    >>> default_flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def flags_in_help(command: Sequence[str | Path]) -> set[str] | None:
    """Ask a script for its help, and return the flags in it; None if it prints none.

    Args:
        command: The words that start the script.
    """
    try:
        done = subprocess.run(
            [*map(str, command), "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HELP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text)) or None


def unusual_flags(known: Iterable[str]) -> dict[str, str]:
    """Return the flags that are not a name with dashes, by that name.

    >>> unusual_flags(["--lr", "--batch-size", "--n_estimators"])
    {'n_estimators': '--n_estimators'}
    """
    by_name = {flag.lstrip("-").replace("-", "_"): flag for flag in sorted(known) if flag.startswith("--")}
    return {name: flag for name, flag in by_name.items() if flag != default_flag(name)}


def check_flags(command: Sequence[str | Path], names: Iterable[str], spelt: Mapping[str, str]) -> None:
    """Check that a script has a flag for each hyperparameter, if it prints its flags with ``--help``.

    Args:
        command: The words that start the script.
        names: The names of the hyperparameters and of other arguments.
        spelt: Flags of those whose flag is not their name with dashes.

    Raises:
        UserError: The script has no such flag.
    """
    known = flags_in_help(command)
    for name in names if known else ():
        flag = spelt.get(name, default_flag(name))
        if flag not in (known or ()):
            raise UserError(
                f"{Path(command[-1]).name} has no flag {flag} for {name}{did_you_mean(flag, known or ())}; "
                "give the right one in FLAGS of model_run.py"
            )


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list | tuple) else str(value)
