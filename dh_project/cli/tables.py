"""Tables that commands print or write to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.plain import plain

ENDINGS = (".csv", ".json")


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table as CSV or as a JSON list, by the ending of the file, completely or not at all."""
    from dh_project.common.files import table_text, write_whole

    if path.suffix == ".json":
        write_json(path, rows)
    else:
        write_whole(path, table_text(rows) if rows else ",".join(columns) + "\n")


def write_json(path: Path, content: Any) -> None:
    """Write JSON, completely or not at all."""
    from dh_project.common.files import write_whole

    write_whole(path, json.dumps(content, indent=1) + "\n")


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table."""
    from rich.table import Table

    from dh_project.common.console import open_console

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if _is_numeric(rows, column) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    open_console().print(table)


def _is_numeric(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    cells = [row[column] for row in rows if row.get(column) is not None]
    return bool(cells) and all(isinstance(cell, int | float) for cell in cells)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else plain(value)
