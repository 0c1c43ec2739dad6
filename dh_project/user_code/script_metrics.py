"""Metrics of scripts: how a number is read from printed lines or from a JSON file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dh_project.common.errors import UserError, one_line, unknown

Goal = Literal["maximize", "minimize"]
Take = Literal["only", "best", "last"]

NUMBER = (
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?i:nan|inf(?:inity)?)(?![A-Za-z0-9_]))"
)
"""A regular expression for a number, as part of the pattern of a metric."""

GOES_ON = re.compile(
    r"[.,'’_:/^*×·\u00a0\u2009\u202f]?[0-9]"  # 1,234  1.2.3  1'234  1_234  3:20  1/3  10^3
    r"|[-+−][0-9]"  # 1.5-103, a number of Fortran
    r"|[A-Za-z_]+[-+−]?[0-9]"  # 0x10  1.5d-3
    r"|(?:[eEdD])[-+−]?(?![A-Za-z0-9])"  # 1.5e, a line that was cut
)
"""What follows a matched number that is only the beginning of a longer one."""

HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]")

BEGINS_BEFORE = re.compile(
    r"[0-9]\.?$"  # "MAE.*(number)" matches only the last digits
    r"|(?<![A-Za-z0-9_])[0-9][0-9.,'’_]*[eEdDxX]?[-+−]?$"
    r"|(?:^|[\s=:(\[{,;])[-−]$"  # a minus sign
    r"|(?:^|[\s=:(\[{,;])[-+−]?\.$"  # .5
)
"""What precedes a matched number that is only the end of a longer one."""

LONGEST_QUOTE = 200
MOST_FACTS = 100


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

    @property
    def name(self) -> str:
        """The pattern for messages, with ``NUMBER`` for the expression of a number."""
        return self.pattern.replace(NUMBER, "NUMBER")

    def found_in(self, line: str) -> float | None:
        """Return the metric in a line; None if the line does not match the pattern.

        Raises:
            UserError: The group of the pattern matches a text that is not a number or only a part of one, or the line
                matches the pattern more than once.
        """
        match = self._match(line)
        if match is None:
            return None
        what, rest = f"the metric {self.name!r} in {quoted(line.strip())}", line[match.end(1) :]
        if (
            GOES_ON.match(rest)
            or HEXADECIMAL.match(line, match.start(1))
            or BEGINS_BEFORE.search(line[: match.start(1)])
        ):
            raise UserError(
                f"{what}: {match[1]!r} is only a part of what stands there; print the number in the form 1234.56, "
                "between spaces"
            )
        return _number(match[1], what)

    def check_alike(self, first: str, line: str) -> None:
        """Check that two matching lines have the same words before the match; otherwise they are different metrics.

        A pattern that starts with ``^`` describes the whole beginning of a line, so all lines that match are alike.

        Raises:
            UserError: They differ, and the metric may be printed more than once.
        """
        if self.take != "only" and self._words_before(first) != self._words_before(line):
            raise UserError(
                f"the metric {self.name!r} matches different lines: {quoted(first.strip())} and "
                f"{quoted(line.strip())}; make the pattern more specific, or start it with ^"
            )

    def _words_before(self, line: str) -> list[str]:
        match = self._match(line)
        return re.sub(r"[^\w*]+|\d+", " ", line[: match.start()] if match else "").split()

    def _match(self, line: str) -> re.Match[str] | None:
        found = [match for match in re.finditer(self.pattern, line) if match[0] and match[1] is not None]
        if len(found) > 1:
            raise UserError(
                f"the metric {self.name!r} is twice in {quoted(line.strip())}: {found[0][1]} and {found[1][1]}; "
                "make the pattern more specific"
            )
        return found[0] if found else None


@dataclass(frozen=True)
class Written:
    """A metric that a script writes into a JSON file. The other values in the file are recorded for the trial's row.

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
        found = self._content(folder)
        is_flat = isinstance(found, dict) and self.key in found  # many loggers write {"valid.mae": 0.1}
        for part in [self.key] if is_flat else self.key.split("."):
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, TypeError, ValueError):
                names = f"; it has: {', '.join(found)}" if isinstance(found, dict) else ""
                raise UserError(f"{self.file}: it has no {self.key}{names}") from None
        return _number(found, f"{self.key} in {self.file}")

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return the numbers, texts and truth values in the file, by their keys with dots: at most 100.

        Raises:
            UserError: The file cannot be read.
        """
        return dict(list(_flat(self._content(folder)))[:MOST_FACTS])

    def _content(self, folder: Path) -> Any:
        path = folder / self.file
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"the script wrote no {self.file}, which has its metric {self.key}") from None
        except OSError as error:
            raise UserError(f"{self.file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise UserError(f"{self.file}: not JSON: {one_line(error)}") from None


def taken(values: Sequence[float], metric: Printed) -> float:
    """Return the best or the last value. NaN is the best only if all values are NaN."""
    if metric.take != "best":
        return values[-1]
    numbers = [value for value in values if not math.isnan(value)] or values
    return max(numbers) if metric.goal == "maximize" else min(numbers)


def quoted(line: str) -> str:
    """Return a line in quotes for a message, shortened if it is long; ``none`` if it is empty."""
    return repr(line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…") if line else "none"


def _flat(found: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested objects with their keys, joined by dots. Lists are left out."""
    for key, value in found.items() if isinstance(found, Mapping) else ():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (str, int, float, bool)):
            yield name, value


def _check_word(what: str, word: str, kind: Any) -> None:
    if word not in get_args(kind):
        raise unknown(f"{what} of a metric", word, get_args(kind))


def _number(found: Any, what: str) -> float:
    """Return a number, or a text that has the form of ``NUMBER``."""
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    if is_number or (isinstance(found, str) and re.fullmatch(NUMBER, found.strip())):
        try:
            return float(found)
        except OverflowError:
            pass
    raise UserError(f"{what}: {quoted(str(found))} is not a number")
