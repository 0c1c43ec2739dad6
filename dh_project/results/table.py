"""The rows of a ``results.csv`` as texts, and guesses of their types if no journal lies beside the file.

The formats are today's and that of DeepHyper 0.1 to 0.3, whose columns have no prefix.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dh_project.common.errors import UserError, one_line

SMALLEST = -1e38
"""Old files have the smallest float32 as the objective of a failed trial. It lies below this limit."""

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
NOT_FINITE = re.compile(r"[-+]?(nan|inf|infinity)\Z", re.IGNORECASE)
BOOLEANS = {"True": True, "False": False}


class Row(NamedTuple):
    """A row of a results file.

    Attributes:
        number: Number of the row as a spreadsheet shows it: the header is row 1.
        cells: The texts of the cells that are not empty, by column.
        objective: The objective; None if the trial failed.
    """

    number: int
    cells: dict[str, str]
    objective: float | None


def is_of_today(columns: Sequence[str]) -> bool:
    """Return whether columns have the prefixes of today's format."""
    return any(name.startswith("p:") for name in columns)


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """Read the columns and rows of a results file.

    Raises:
        UserError: The file is not a results file, it is empty, or an objective is not a number.
    """
    if not path.exists():
        raise UserError(f"{path}: there is no such file; run a search first, or name its results.csv")
    if path.suffix != ".csv" or not path.is_file():
        raise UserError(f"{path}: results are read from a .csv file; name the search's results.csv")
    csv.field_size_limit(2**31 - 1)  # a recorded text may be long
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a results file: {one_line(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if "objective" not in header:
        hint = "; separate its columns by commas" if any(";" in name for name in header) else ""
        raise UserError(f"{path}: not a results file: it has no column 'objective'{hint}")
    if not lines:
        raise UserError(f"{path}: no trial has ended yet; wait for the search, or run it again to go on")
    return header, [_row(path, number, header, line) for number, line in enumerate(lines, start=2)]


def _row(path: Path, number: int, header: list[str], line: list[str]) -> Row:
    """Return a row.

    Raises:
        UserError: It has more or fewer cells than the header, or its objective is not a number.
    """
    if len(line) != len(header):
        raise UserError(
            f"{path}, row {number}: it has {len(line)} cells, and the header has {len(header)}; correct the row"
        )
    cells = {name: text for name, text in zip(header, line, strict=True) if text != ""}
    text = cells.get("objective", "")
    if text.startswith("F") or not text or NOT_FINITE.match(text):
        return Row(number, cells, None)
    try:
        objective = float(text) if "_" not in text else None
    except ValueError:
        objective = None
    if objective is None:
        raise UserError(
            f"{path}, row {number}, column objective: {text!r} is not a number; write it with a decimal point and "
            f"without a unit, or F for a failed trial"
        )
    is_failure = not math.isfinite(objective) or (objective <= SMALLEST and not is_of_today(header))
    return Row(number, cells, None if is_failure else objective)


def guessed(columns: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the cells of rows with guessed types; None for an empty cell.

    A column has one type: integers, floats or booleans if all of its cells are such, else texts. So "01" and "10" in
    one column are texts.
    """
    reads = {name: _reader([row.cells[name] for row in rows if name in row.cells]) for name in columns}
    return [
        {name: reads[name](row.cells[name]) if name in row.cells else None for name in columns}
        for row in rows
    ]


def _reader(texts: Sequence[str]) -> Callable[[str], Any]:
    """Return the function that converts the cells of a column."""
    if all(INTEGER.match(text) for text in texts):
        return int
    if all(FLOAT.match(text) or NOT_FINITE.match(text) for text in texts):
        return _float
    return BOOLEANS.__getitem__ if all(text in BOOLEANS for text in texts) else str


def _float(text: str) -> float | None:
    """Return a float; None for one that is not finite."""
    number = float(text)
    return number if math.isfinite(number) else None
