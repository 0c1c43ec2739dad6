"""An argument parser with one-line errors, and the types of options."""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, NoReturn

from dh_project.cli.other_words import in_our_words
from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.common.none import is_none

COMMANDS = ("deephyper", "dh-project", "deephyper-analytics", "python", "source")
"""First words of lines that are commands, in the examples of a help."""

FOLLOWING_SECONDS = 2.0
"""Time for which other ranks wait before they fail, so that rank 0 can print the error first."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps help texts at the width of the terminal, and never within a word or an option.

    Paragraphs are wrapped as a whole. Indented lines are tables and examples and keep their line breaks; those that
    are too long are continued on an indented line, and a command with a backslash.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        paragraph: list[str] = []
        for line in [*text.splitlines(), ""]:
            is_text = bool(line) and not line.startswith(" ")
            if is_text:
                paragraph.append(line)
            if paragraph and (not is_text or line.endswith(":")):
                lines += _wrapped(" ".join(paragraph), width)
                paragraph = []
            if not is_text:
                lines += self._continued(line, width)
        return "\n".join(lines).rstrip() + "\n"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text, width)

    def _continued(self, line: str, width: int) -> list[str]:
        """Return an indented line as lines of the width."""
        if len(line) <= width:
            return [line]
        body = line.lstrip()
        indent = line[: len(line) - len(body)]
        is_command = body.split()[0] in COMMANDS or body.endswith("\\") or indent.startswith(" " * 4)
        column = re.match(r"\S+ {2,}", body)  # of a table
        hanging = indent + " " * (len(column[0]) if column else 4)
        end = " \\" if is_command and not column else ""
        parts = _wrapped(body.removesuffix("\\").rstrip(), width - len(end), indent, hanging)
        last = " \\" if body.endswith("\\") else ""
        return [*(part + end for part in parts[:-1]), parts[-1] + last]


def _wrapped(text: str, width: int, first: str = "", hanging: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


class Parser(argparse.ArgumentParser):
    """``argparse`` with one-line errors that name the near match of an unknown word, and the command for help.

    Attributes:
        complete: Adds the options that are slow to find. It is called only if the parser's command is used.
        has_rest: Whether words after ``--`` are for another program. They become ``rest``.
    """

    complete: Callable[[Parser], None] | None = None
    has_rest = False

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", HelpFormatter)
        super().__init__(**{"allow_abbrev": False, **kwargs})
        self.set_defaults(parser=self)  # the namespace has the parser of its command

    def group(self, title: str) -> argparse._ArgumentGroup:
        """Return the group of options with a title; add it if it does not exist."""
        found = [group for group in self._action_groups if group.title == title]
        return found[0] if found else self.add_argument_group(title)

    def commands(self) -> Iterator[Parser]:
        """Yield the parsers of all commands and subcommands of this parser."""
        for action in self._actions:
            for parser in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
                yield parser
                yield from parser.commands()

    def find_options(self) -> None:
        """Add the options that are slow to find, unless they have been added."""
        if self.complete is not None:
            complete, self.complete = self.complete, None
            complete(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the options that are slow to find, then parse the known arguments."""
        self.find_options()
        if not self.has_rest or args is None:
            return super().parse_known_args(args, namespace)
        words = list(args)
        end = words.index("--") if "--" in words else len(words)
        namespace, unknown = super().parse_known_args(words[:end], namespace)
        namespace.rest = words[end + 1 :]
        return namespace, unknown

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments. The parser of the command reports an unknown option with its near match."""
        namespace, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = getattr(namespace, "parser", self)
            known = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
            options = [option for action in known for option in action.option_strings]
            word = rest[0].partition("=")[0]
            parser.error(f"unknown argument {word!r}{_hint(word, options)}")
        return namespace

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        choice = re.match(r"argument (.*): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice:
            name, given, valid = choice.groups()
            names = [option.strip(" '") for option in valid.split(",")]
            message = f"{name}: unknown {given!r}{did_you_mean(given, names)}; valid: {', '.join(names)}"
        _refuse(f"{self.prog}: error: {message} (see {self.prog} --help)")
        self.exit(2)


def _hint(word: str, options: list[str]) -> str:
    """Return the option that the user may have meant, in brackets; empty if none is near."""
    if (ours := in_our_words(word, options)) is not None:
        return f" (here: {ours})"
    by_name = {option.lstrip("-"): option for option in options}  # equal dashes are no similarity
    near = get_close_matches(word.lstrip("-").lower(), by_name, n=1, cutoff=NEAR)
    return f" (did you mean {by_name[near[0]]!r}?)" if near else ""


NEAR = 0.7
"""Least similarity of an option to a misspelt one."""

MOST = 1e12
"""Upper limit of seconds and sizes."""


def _number(kind: type[int] | type[float], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        whole = "whole " if kind is int else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a {whole}number") from None


def positive_int(text: str) -> int:
    """Return an integer above 0.

    >>> positive_int("3")
    3
    """
    value: int = _number(int, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0; give at least 1")
    return value


def natural(text: str) -> int:
    """Return an integer, 0 or more."""
    value: int = _number(int, text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0; give 0 or more")
    return value


def at_least_two(text: str) -> int:
    """Return a number of seeds, at least 2."""
    number = natural(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"{text} seed has no standard deviation; give at least 2")
    return number


def positive_float(text: str) -> float:
    """Return a number above 0."""
    value: float = _number(float, text)
    if not 0 < value < MOST:
        raise argparse.ArgumentTypeError(
            f"{text} is not a number above 0" + (" and below 1e12" if value > 0 else "")
        )
    return value


def finite(text: str) -> float:
    """Return a number that is neither infinite nor NaN."""
    value: float = _number(float, text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type of an option for which ``none`` and ``null`` mean None; ``read`` converts other texts."""
    return lambda text: None if is_none(text) else read(text)


def duration(text: str) -> float:
    """Return the seconds of ``H:MM:SS``, the form of a walltime, or of a number of seconds.

    >>> duration("1:30:00")
    5400.0
    """
    if ":" not in text:
        return positive_float(text)
    match = re.fullmatch(r"(\d{1,5}):([0-5]?\d):([0-5]?\d)", text)
    if match is None or not any(map(int, match.groups())):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write hours, minutes and seconds: 3:00:00")
    hours, minutes, seconds = map(int, match.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def failures(text: str) -> float:
    """Return a number of failures (1 or more), a share of failures (``0.5`` or ``50%``), or -1.

    >>> failures("50%")
    0.5
    """
    value: float = _number(float, text.removesuffix("%"))
    if text.endswith("%"):
        value /= 100
        is_right = 0 < value < 1
    else:
        is_right = value == -1 or 0 < value < 1 or (value >= 1 and value.is_integer())
    if is_right:
        return value
    raise argparse.ArgumentTypeError(
        f"{text}: give failures in a row (10), their share (0.5), or -1 for no limit"
    )


def run_command(command: Callable[[Any], int], arguments: Any, program: str) -> int:
    """Run a command. A mistake of the user or an error of the file system is one line, not a traceback.

    Returns:
        The exit status: the command's own, 2 for a mistake, 1 for an error of the file system, 130 for Ctrl-C.
    """
    try:
        return command(arguments)
    except UserError as error:
        _refuse(f"{program}: error: {error}")
        return 2
    except BrokenPipeError:  # the reader has ended, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(one_line(f"{program}: error: {where}{error.strerror or error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _refuse(said: str) -> None:
    """Print why a command ends, only once if several ranks run it."""
    from dh_project.trial.ranks import is_follower

    if is_follower():
        time.sleep(FOLLOWING_SECONDS)
    else:
        print(one_line(said), file=sys.stderr, flush=True)
