"""Run functions that call a script: hyperparameters become flags, and the script prints or writes a metric.

Example::

    SCRIPT = Path(__file__).with_name("train.py")
    METRIC = Printed(rf"validation MAE: {NUMBER}", goal="minimize")

    def run(point):
        return run_script([sys.executable, SCRIPT, *flags(point)], METRIC)

The script runs in the trial's folder, so paths must be absolute. Its output goes to the trial's log. The trial fails
if the script ends with another exit status than 0, if there is no metric, or if there is more than one and only one
is expected.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import psutil

from dh_project.common.errors import UserError, one_line, unknown
from dh_project.common.signals import signal_name
from dh_project.trial.reporting import report, trial_folder
from dh_project.user_code.script_output import Output

Goal = Literal["maximize", "minimize"]
Take = Literal["only", "best", "last"]

NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?))"
"""A regular expression for a number, as part of the pattern of a metric."""

GRACE_SECONDS = 3.0
"""Seconds between SIGTERM and SIGKILL when a script is ended."""

LONGEST_QUOTE = 200


@dataclass(frozen=True)
class Printed:
    """A metric that a script prints.

    Attributes:
        pattern: A regular expression with one group, the number. It is searched for in each line.
        goal: ``maximize`` or ``minimize``.
        take: ``only`` if the script prints the metric once; a second one is an error. ``best`` or ``last`` if it
            prints the metric repeatedly. Each value is then reported, and the best or the last one is the result.

    Raises:
        UserError: The pattern is invalid or does not have exactly one group, or another argument is invalid.

    Example:
        >>> Printed(rf"validation MAE: {NUMBER}", goal="minimize").found_in("epoch 3, validation MAE: 0.25 eV")
        0.25
    """

    pattern: str
    goal: Goal
    take: Take = "only"

    def __post_init__(self) -> None:
        _check_word("goal", self.goal, Goal)
        _check_word("take", self.take, Take)
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise UserError(f"metric {self.pattern!r}: not a regular expression: {error}") from None
        if groups != 1:
            raise UserError(
                f"metric {self.pattern!r}: it has {groups} groups; put the number, and only that, in parentheses"
            )

    def found_in(self, line: str) -> float | None:
        """Return the metric in a line; None if the line does not match the pattern.

        Raises:
            UserError: The group of the pattern matches a text that is not a number.
        """
        match = re.search(self.pattern, line)
        return (
            None if match is None else _number(match[1], f"the metric {self.pattern!r} in {line.strip()!r}")
        )


@dataclass(frozen=True)
class Written:
    """A metric that a script writes into a JSON file.

    Attributes:
        file: The file, relative to the folder in which the script runs.
        key: Key of the metric. Dots lead into objects and lists, as in ``valid.mae`` and ``mae.0``.
        goal: ``maximize`` or ``minimize``.
    """

    file: str
    key: str
    goal: Goal

    def __post_init__(self) -> None:
        _check_word("goal", self.goal, Goal)

    def read(self, folder: Path) -> float:
        """Return the metric from the file in a folder.

        Raises:
            UserError: The file or the key does not exist, or the value is not a number.
        """
        path = folder / self.file
        try:
            found: Any = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"the script wrote no {self.file}, which has its metric {self.key}") from None
        except OSError as error:
            raise UserError(f"{self.file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise UserError(f"{self.file}: not JSON: {one_line(error)}") from None
        is_flat = isinstance(found, dict) and self.key in found  # many loggers write {"valid.mae": 0.1}
        for part in [self.key] if is_flat else self.key.split("."):
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, TypeError, ValueError):
                names = f"; it has: {', '.join(found)}" if isinstance(found, dict) else ""
                raise UserError(f"{self.file}: it has no {self.key}{names}") from None
        return _number(found, f"{self.key} in {self.file}")


def flags(point: Mapping[str, Any], names: Mapping[str, str] | None = None) -> list[str]:
    """Return a point as the words of a command line.

    True becomes a flag without a value. Hyperparameters that are False or None are left out.

    Args:
        point: The hyperparameters.
        names: Flags of hyperparameters whose flag is not their name (``{"batch_size": "-b"}``).

    Example:
        >>> flags({"batch_size": 32, "nesterov": True, "seed": None})
        ['--batch-size', '32', '--nesterov']
    """
    words: list[str] = []
    for name, value in point.items():
        if value is None or value is False:
            continue
        words.append((names or {}).get(name, f"--{name.replace('_', '-')}"))
        if value is not True:
            words.append(str(value))
    return words


def run_script(command: Sequence[str | Path], metric: Printed | Written) -> float:
    """Run a script and return the objective: its metric, or minus its metric if ``goal`` is ``minimize``.

    The script runs in the trial's folder; outside of a search, in the working directory. If the stopper stops the
    trial, the script is ended, and the metrics so far count.

    Args:
        command: The words of the command line.
        metric: How to read the metric.

    Raises:
        UserError: The script cannot be started or ends with another exit status than 0, or its metric is missing or
            wrong.

    Example:
        >>> run_script(["echo", "mae = 0.5"], Printed(rf"mae = {NUMBER}", goal="minimize"))
        mae = 0.5
        -0.5
    """
    words = [str(word) for word in command]
    folder = trial_folder() or Path.cwd()
    sign = 1.0 if metric.goal == "maximize" else -1.0
    if isinstance(metric, Written):
        with suppress(OSError):
            (folder / metric.file).unlink()  # the file of an earlier run
    values: list[float] = []
    last_line = ""
    with _started(words, folder) as (process, lines):
        for line in lines:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
            if isinstance(metric, Written) or (value := metric.found_in(line)) is None:
                continue
            values.append(value)
            if metric.take != "only" and not report(len(values), sign * value):
                return sign * _taken(values, metric)
            if metric.take == "only" and len(values) > 1:
                raise UserError(
                    f"{_name(words)} printed the metric {metric.pattern!r} twice: {values[0]:g} and {value:g}; "
                    "narrow the pattern, or say which counts with take='last' or take='best'"
                )
        status = process.wait()
    if status:
        raise UserError(f"{_name(words)} {_ended(status)}; its last line: {_quoted(last_line)}")
    if isinstance(metric, Written):
        return sign * metric.read(folder)
    if not values:
        raise UserError(
            f"{_name(words)} printed no line with the metric {metric.pattern!r}; its last line: {_quoted(last_line)}"
        )
    return sign * _taken(values, metric)


def _taken(values: Sequence[float], metric: Printed) -> float:
    """Return the best or the last value. NaN is the best only if all values are NaN."""
    if metric.take != "best":
        return values[-1]
    numbers = [value for value in values if not math.isnan(value)] or values
    return max(numbers) if metric.goal == "maximize" else min(numbers)


@contextmanager
def _started(words: Sequence[str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[str]]]:
    """Start a script in the trial's process group, which is killed as a whole. End it when the block ends.

    Yields:
        The process, and the lines that it prints.
    """
    output = Output()
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output.writer,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},  # a metric is read when it is printed
        )
    except OSError as error:
        output.close()
        hint = (
            "may it be executed (chmod +x)"
            if isinstance(error, PermissionError)
            else "is it installed, and on PATH"
        )
        raise UserError(f"{words[0]}: cannot be started: {error.strerror}; {hint}?") from None
    try:
        yield process, output.lines(process)
    finally:
        _end(process)
        output.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a script and all processes that it started."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            script = psutil.Process(process.pid)
            family = [*script.children(recursive=True), script]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.terminate()
            for member in psutil.wait_procs(family, timeout=GRACE_SECONDS)[1]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        process.wait()


def _check_word(what: str, word: str, kind: Any) -> None:
    if word not in get_args(kind):
        raise unknown(f"{what} of a metric", word, get_args(kind))


def _number(found: Any, what: str) -> float:
    try:
        if isinstance(found, bool):
            raise TypeError
        return float(found)
    except (TypeError, ValueError):
        raise UserError(f"{what}: {_quoted(str(found))} is not a number") from None


def _name(words: Sequence[str]) -> str:
    """Return the name of a command in messages: the program and the script, without their folders."""
    return " ".join(Path(word).name for word in words[:2])


def _ended(status: int) -> str:
    if status > 0:
        return f"ended with exit status {status}"
    return f"was ended by {signal_name(-status)}"


def _quoted(line: str) -> str:
    return repr(line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…") if line else "none"
