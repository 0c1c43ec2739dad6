"""``quickplot``: draws the trials of searches, or learning curves, into a picture file.

The picture is not shown on a screen, because the machines that run searches often have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from dh_project.analysis.plot_data import OBJECTIVE, TIME, Table, is_number, read_tables, short
from dh_project.common.errors import UserError
from dh_project.common.files import check_output, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf", ".jpg", ".webp")
PICTURE = "quickplot.png"

IN_ORDER = (TIME, "job_id")
"""Columns along which the best objective so far is drawn."""

LARGE_RATIO = 100
"""Positive numbers are drawn on a logarithmic scale if they differ by this factor."""

SPREAD, GOLDEN = 0.4, 0.618
"""Width over which the points of a category are spread, and the step of their even sequence."""

FAR = 3
"""The axis ends at this many times the distance between the best and the worst quarter of the objectives."""

INSIDE, COLUMNS = 6, 3
"""Largest number of names in a legend inside the picture, and number of columns of a legend below it."""


def quickplot(paths: Iterable[Path], xy: Sequence[str] | None = None, output: Path | None = None) -> str:
    """Draw one column of results or learning curves against another, and write the picture.

    Args:
        paths: Results files, learning curves, or folders that contain one.
        xy: Names of the columns. Default: elapsed time and objective, or epoch and the first validation metric.
        output: The picture file. Default: ``quickplot.png`` beside the first file.

    Returns:
        A text with the path of the picture, and the number of trials or epochs in each file.

    Raises:
        UserError: A file cannot be drawn, a column does not exist, or the picture file has an unknown ending.
        OSError: The picture cannot be written.

    Example:
        >>> print(quickplot([Path("results.csv")], xy=("lr", "objective")))  # doctest: +SKIP
        wrote     quickplot.png
                  search: 50 trials, 2 failed
    """
    check_output(output, FORMATS)
    tables = read_tables(paths)
    x, y = xy or tables[0].defaults()
    series = [_series(table, x, y) for table in tables]
    if not any(each.points for each in series):
        raise UserError(f"{', '.join(str(table.path) for table in tables)}: nothing has both {x} and {y}")
    target = output or tables[0].path.with_name(PICTURE)
    figure = _draw(series)
    with replacing(target) as aside:
        figure.savefig(aside, dpi=150, format=target.suffix.removeprefix(".").lower())
    return "\n          ".join([f"wrote     {target}", *(each.counts() for each in series)])


@dataclass(frozen=True)
class Series:
    """The data to draw from one file.

    Attributes:
        table: The file's rows.
        x, y: Names of the columns.
        points: x and y of the successful trials or the epochs.
        failed: x of the failed trials without y.
        marked: x and y of the failed trials with both.
        lacking: Number of rows that cannot be drawn because x or y is missing.
    """

    table: Table
    x: str
    y: str
    points: list[tuple[Any, Any]]
    failed: list[Any]
    marked: list[tuple[Any, Any]]
    lacking: int

    @property
    def is_of_trials(self) -> bool:
        """Whether the rows are the trials of a search, not epochs."""
        return not self.table.is_curve

    def counts(self) -> str:
        """Return a text with the number of rows of the file, and how many are not drawn."""
        rows, one = self.table.rows, "trial" if self.is_of_trials else "epoch"
        failed = sum(row[OBJECTIVE] is None for row in rows) if self.is_of_trials else 0
        said = [f"{self.table.name}: {len(rows)} {one}{'s' if len(rows) != 1 else ''}"]
        if failed:
            said.append(f"{failed} failed")
        if self.lacking:
            said.append(f"{self.lacking} not drawn (no {short(self.x)} or {short(self.y)})")
        return ", ".join(said)


def _series(table: Table, x: str, y: str) -> Series:
    x, y = table.column(x), table.column(y)
    points: list[tuple[Any, Any]] = []
    marked: list[tuple[Any, Any]] = []
    failed, lacking = [], 0
    for row in table.rows:
        has_failed = not table.is_curve and row[OBJECTIVE] is None
        if _is_empty(row[x]) or (_is_empty(row[y]) and not has_failed):
            lacking += 1
        elif _is_empty(row[y]):
            failed.append(row[x])
        else:
            (marked if has_failed else points).append((row[x], row[y]))
    return Series(table, x, y, points, failed, marked, lacking)


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and not is_number(cell))


def _draw(series: Sequence[Series]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    drawn = [point for each in series for point in [*each.points, *each.marked]]
    along_x = _Axis([*(x for x, _ in drawn), *(x for each in series for x in each.failed)])
    along_y = _Axis([y for _, y in drawn])
    floor = _floor([y for _, y in drawn]) if series[0].is_of_trials and series[0].y == OBJECTIVE else None
    colours = _colours(len(series))
    for each, colour in zip(series, colours, strict=True):
        name = _plain(each.table.name) if len(series) > 1 else ""
        if each.is_of_trials:
            _draw_trials(axes, _placed(each, along_x, along_y), floor, colour, name)
        else:
            axes.plot(*_columns(_placed(each, along_x, along_y).points), marker=".", color=colour, label=name)
    along_x.describe(axes.xaxis, axes.set_xscale, series[0].table, series[0].x)
    along_y.describe(axes.yaxis, axes.set_yscale, series[0].table, series[0].y)
    if floor is not None:
        axes.set_ylim(bottom=floor)
    if len(series) == 1:
        axes.set_title(_plain(_title(series[0])), fontsize="medium")
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > INSIDE:
        figure.set_figheight(figure.get_figheight() + 0.2 * (len(labels) // COLUMNS + 2))
        figure.legend(handles, labels, fontsize="small", loc="outside lower center", ncols=COLUMNS)
    elif labels:
        axes.legend(fontsize="small")
    return figure


def _plain(text: str) -> str:
    """Return a text that matplotlib shows unchanged, although it has ``$`` (formulas) or a leading ``_`` (hidden)."""
    return f"{' ' if text.startswith('_') else ''}{text}".replace("$", r"\$")


def _colours(count: int) -> list[Any]:
    """Return a colour for each file, from matplotlib's cycle, or from a colour map if there are many files."""
    from matplotlib import colormaps

    cycle = colormaps["tab10"].colors  # type: ignore[attr-defined]
    return list(cycle[:count]) if count <= len(cycle) else list(colormaps["viridis"].resampled(count).colors)  # type: ignore[attr-defined]


def _placed(each: Series, along_x: _Axis, along_y: _Axis) -> Series:
    """Return a series with positions on the axes in place of cells."""
    return replace(
        each,
        points=[(along_x(x), along_y(y)) for x, y in each.points],
        marked=[(along_x(x), along_y(y)) for x, y in each.marked],
        failed=[along_x(x) for x in each.failed],
    )


def _draw_trials(axes: Axes, each: Series, floor: float | None, colour: Any, name: str) -> None:
    """Draw trials as points, failed ones as crosses, very bad ones at the lower edge, and the best so far."""
    near = [point for point in each.points if floor is None or point[1] >= floor]
    below = [x for x, y in each.points if floor is not None and y < floor]
    # x in data units, y as a share of the height
    at_edge: dict[str, Any] = {"transform": axes.get_xaxis_transform()}
    cross: dict[str, Any] = {"s": 28, "marker": "x", "color": colour if name else "firebrick"}
    ending = f", {name}" if name else ""
    axes.scatter(*_columns(near), s=18, alpha=0.7, linewidths=0, color=colour, label=name or "trial")
    if below:
        label = f"further below{ending}"
        axes.scatter(below, [0.03] * len(below), s=24, marker="v", color=colour, label=label, **at_edge)
    if each.failed:
        label = f"failed{ending}"
        axes.scatter(each.failed, [0.07] * len(each.failed), label=label, **cross, **at_edge)
    if each.marked:
        axes.scatter(*_columns(each.marked), label=f"failed{ending}", **cross)
    if short(each.x) in IN_ORDER and each.y == OBJECTIVE:
        best = _best_so_far(each.points, max([*(x for x, _ in each.points), *each.failed], default=0.0))
        axes.step(*_columns(best), where="post", color=colour, label="" if name else "best so far")


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _best_so_far(points: Iterable[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Return the best y up to each x at which it improves, and at the end."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return [*best, (end, best[-1][1])] if best else []


def _floor(objectives: Sequence[Any]) -> float | None:
    """Return the lower end of the objective's axis if some objectives are far below the others; otherwise None."""
    if len(objectives) < 4:
        return None
    best, quarter = max(objectives), quantiles(objectives, n=4)[0]
    floor = best - (1 + FAR) * (best - quarter)
    return floor if min(objectives) < floor < best else None


def _title(each: Series) -> str:
    rows = each.table.rows
    if each.table.is_curve:
        return each.table.name
    best = max(row[OBJECTIVE] for row in rows if row[OBJECTIVE] is not None)
    return f"{each.counts()}, best objective {best:.6g}"


class _Axis:
    """Converts cells to positions on an axis. If not all cells are numbers, all of them are categories.

    Args:
        cells: All cells of the axis.
    """

    def __init__(self, cells: Sequence[Any]) -> None:
        self.numbers = [float(cell) for cell in cells if is_number(cell)]
        self.categories = sorted({str(cell) for cell in cells}) if len(self.numbers) < len(cells) else []
        self._placed = 0

    def __call__(self, cell: Any) -> float:
        """Return the position of a cell. Points of a category are spread beside each other."""
        if not self.categories:
            return float(cell)
        self._placed += 1
        return self.categories.index(str(cell)) + SPREAD * (self._placed * GOLDEN % 1 - 0.5)

    def _is_log(self, name: str, table: Table) -> bool:
        """Return whether the axis is logarithmic: as in the space of the search, else by the ratio of the numbers."""
        if min(self.numbers) <= 0 or name in (OBJECTIVE, *IN_ORDER):
            return False
        return table.log.get(name, min(self.numbers) <= max(self.numbers) / LARGE_RATIO)

    def describe(self, axis: Axis, set_scale: Callable[[str], None], table: Table, column: str) -> None:
        """Label the axis and choose its scale."""
        from matplotlib.ticker import MaxNLocator

        name = short(column)
        axis.set_label_text({TIME: "elapsed time (s)", OBJECTIVE: _objective(table)}.get(name, _plain(name)))
        if self.categories:
            axis.set_ticks(range(len(self.categories)), [_plain(category) for category in self.categories])
        elif self._is_log(name, table):
            set_scale("log")
        elif all(number.is_integer() for number in self.numbers):
            axis.set_major_locator(MaxNLocator(integer=True))


def _objective(table: Table) -> str:
    """Return the label of the objective. It names a recorded value that equals minus the objective in all trials."""
    good = [row for row in table.rows if row.get(OBJECTIVE) is not None]
    facts = [column for column in table.columns if column.startswith("m:")]
    for column in facts:
        if all(is_number(row[column]) and row[column] == -row[OBJECTIVE] for row in good):
            return f"{OBJECTIVE} (−{_plain(short(column))})"
    return OBJECTIVE
