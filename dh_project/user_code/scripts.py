"""Run functions that call a script: hyperparameters become flags, and the script prints or writes a metric.

Example::

    SCRIPT = Path(__file__).with_name("train.py")
    METRIC = Printed(rf"validation MAE: {NUMBER}", goal="minimize")

    def run(point):
        return run_script([sys.executable, SCRIPT, *flags(point)], METRIC)

The script runs in the trial's folder, so that trials do not write into each other's files. Paths that exist in the
search's working directory are made absolute. Its output goes to the trial's log. The trial fails
if the script ends with another exit status than 0, if there is no metric, if there is more than one and only one is
expected, or if the pattern of the metric matches lines of different kinds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from dh_project.common.errors import UserError
from dh_project.common.signals import signal_name
from dh_project.trial.reporting import record, report, trial_folder, trial_point
from dh_project.user_code.script_flags import check_flags as check_flags
from dh_project.user_code.script_flags import flags as flags
from dh_project.user_code.script_metrics import NUMBER as NUMBER
from dh_project.user_code.script_metrics import Printed as Printed
from dh_project.user_code.script_metrics import Written as Written
from dh_project.user_code.script_metrics import quoted, taken
from dh_project.user_code.script_output import Output

GRACE_SECONDS = 3.0
"""Seconds between SIGTERM and SIGKILL when a script is ended."""


def run_script(command: Sequence[str | Path], metric: Printed | Written) -> float:
    """Run a script and return the objective: its metric, or minus its metric if ``goal`` is ``minimize``.

    The script runs in the trial's folder; outside of a search, in the working directory. Words that are paths of the
    working directory are made absolute. If the stopper stops the
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
    words = _valid_anywhere(command)
    folder = trial_folder() or Path.cwd()
    sign = 1.0 if metric.goal == "maximize" else -1.0
    if isinstance(metric, Written):
        with suppress(OSError):
            (folder / metric.file).unlink()  # the file of an earlier run
    values: list[float] = []
    first = last_line = ""
    with _started(words, folder) as (process, lines):
        for line in lines:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
            if isinstance(metric, Written) or (value := metric.found_in(line)) is None:
                continue
            first = first or line
            metric.check_alike(first, line)
            values.append(value)
            if metric.take != "only" and not report(len(values), sign * value):
                return sign * taken(values, metric)
            if metric.take == "only" and len(values) > 1:
                raise UserError(
                    f"{_name(words)} printed the metric {metric.name!r} twice: {values[0]:g} and {value:g}; "
                    "narrow the pattern, or say which counts with take='last' or take='best'"
                )
        status = process.wait()
    if status:
        raise UserError(f"{_name(words)} {_ended(status)}; its last line: {quoted(last_line)}")
    if isinstance(metric, Written):
        record(**metric.facts(folder))
        return sign * metric.read(folder)
    if not values:
        raise UserError(
            f"{_name(words)} printed no line with the metric {metric.name!r}; its last line: {quoted(last_line)}"
        )
    return sign * taken(values, metric)


def _valid_anywhere(command: Sequence[str | Path]) -> list[str]:
    """Return the words of a command line with the paths in them made absolute, for another working directory.

    A word, or the value in ``--name=value``, is a path if it exists in the working directory. Values of
    hyperparameters are not, unless they contain a slash.
    """
    chosen = {str(value) for value in trial_point().values()}
    words = []
    for number, word in enumerate(map(str, command)):
        name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        is_path = os.sep in value or (
            number > 0 and value not in chosen
        )  # a program without a slash is on PATH
        if value and is_path and os.path.exists(value):  # noqa: PTH110
            value = os.path.abspath(value)  # noqa: PTH100 (links stay as they are)
        words.append(f"{name}{equals}{value}")
    return words


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


def _name(words: Sequence[str]) -> str:
    """Return the name of a command in messages: the program and the script, without their folders."""
    return " ".join(Path(word).name for word in words[:2])


def _ended(status: int) -> str:
    if status > 0:
        return f"ended with exit status {status}"
    return f"was ended by {signal_name(-status)}"
