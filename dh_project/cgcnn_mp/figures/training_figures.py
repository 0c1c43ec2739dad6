"""Figures of a training, drawn from the files in its folder.

Trials draw no figures, because matplotlib is slow to import.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs
from dh_project.cgcnn_mp.graphs.cif_rules.elements import ATOMIC_NUMBERS
from dh_project.cgcnn_mp.graphs.labelled_graphs import atomic_numbers
from dh_project.cgcnn_mp.training.evaluation import PREDICTIONS, TRAIN
from dh_project.cgcnn_mp.training.metrics import measure
from dh_project.cgcnn_mp.training.saving import HISTORY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING_CURVE, PARITY, ROC = "training_curve.png", "parity.png", "roc.png"
RESIDUALS, RESIDUALS_TABLE = "residuals_by_element.png", "residuals_by_element.csv"
PERIODIC_TABLE = "residuals_periodic_table.png"

CRUSHED = 5
"""Errors that differ by this factor are drawn on a logarithmic axis."""


def draw_training_curve(folder: Path, unit: str) -> Path:
    """Draw the validation error of each epoch, and mark the best epoch.

    Args:
        folder: Folder of a training. The figure is written there.
        unit: Unit of the label.

    Returns:
        Path of the figure.

    Raises:
        OSError: The folder has no history, or the figure cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    rows = _read(folder / HISTORY)
    column = next(name for name in rows[0] if name.startswith("val_"))
    name, unit = {
        "val_nll": ("Validation negative log-likelihood", ""),
        "val_scaled_mae": ("Validation MAE / standard deviation", ""),
    }.get(column, ("Validation MAE", unit))
    epochs = [int(row["epoch"]) for row in rows]
    errors = [float(row[column]) for row in rows]
    best = errors.index(min(errors))

    figure, (axes,) = _panels(1, width=6)
    axes.set(xlabel="Epoch", ylabel=_with_unit(name, unit), title="Training curve")
    axes.plot(epochs, errors, marker=".")
    label = f"best: {_value(errors[best], unit)}, epoch {epochs[best]}"
    axes.plot(epochs[best], errors[best], "o", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if min(errors) > 0 and max(errors) > CRUSHED * min(errors):  # the first epochs would hide the others
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * max(errors))
    axes.legend()
    return _saved(figure, folder / TRAINING_CURVE)


def draw_parity(folder: Path, unit: str, quantity: str = "") -> Path:
    """Draw predictions against labels, with MAE and R² of each set. Each target has a panel.

    Args:
        folder: Folder of a training. The figure is written there.
        unit: Unit of the label. It is not shown if there are several targets.
        quantity: Name of the label, if there is one target.

    Returns:
        Path of the figure.

    Raises:
        OSError: The folder has no predictions, or the figure cannot be written.
    """
    targets = _read_predictions(folder)
    figure, panels = _panels(len(targets))
    for axes, (name, sets) in zip(panels, targets.items(), strict=True):
        unit_here = unit if len(targets) == 1 else ""
        what = (quantity if len(targets) == 1 else name).replace("_", " ")
        axes.set(
            xlabel=_with_unit(f"{what}: label" if what else "Label", unit_here),
            ylabel=_with_unit(f"{what}: prediction" if what else "Prediction", unit_here),
        )
        for which, (labels, predictions) in sets.items():
            metrics = measure(predictions, labels, classification=False)
            legend = f"{which}: MAE {_value(metrics['mae'], unit_here)}, R² {metrics['r2']:.3f}"
            seen = min(0.8, max(0.2, 10 / len(labels) ** 0.5))  # many points of a set do not hide the others
            look = {"alpha": seen / 2, "color": "silver"} if which == TRAIN else {"alpha": seen}
            axes.scatter(labels, predictions, s=6, linewidths=0, label=legend, rasterized=True, **look)
        every = torch.cat([values for pair in sets.values() for values in pair])
        ends = [every.min().item(), every.max().item()]
        axes.plot(ends, ends, color="black", linewidth=0.8)
        room = 0.03 * (ends[1] - ends[0] or 1.0)
        axes.set(xlim=(ends[0] - room, ends[1] + room), ylim=(ends[0] - room, ends[1] + room))
        axes.set_aspect("equal")
        axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), markerscale=3)
    return _saved(figure, folder / PARITY)


def draw_roc(folder: Path) -> Path:
    """Draw the ROC curve of a classification, with the AUC of each set.

    Args:
        folder: Folder of a training. The figure is written there.

    Returns:
        Path of the figure.

    Raises:
        OSError: The folder has no predictions, or the figure cannot be written.
    """
    from sklearn.metrics import roc_curve

    figure, (axes,) = _panels(1)
    axes.set(xlabel="False positive rate", ylabel="True positive rate", title="ROC curve")
    (sets,) = _read_predictions(folder).values()
    for which, (labels, predictions) in sets.items():
        if len(labels.unique()) == 2:
            auc = measure(predictions, labels, classification=True)["auc"]
            false, true, _ = roc_curve(labels, predictions)
            axes.plot(false, true, label=f"{which}: AUC {auc:.3f}")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, label="chance")
    axes.set_aspect("equal")
    axes.legend(fontsize="small")
    return _saved(figure, folder / ROC)


def draw_residuals_by_element(
    folder: Path, elements: Mapping[str, Collection[str]] | CrystalGraphs, unit: str
) -> Path:
    """Draw the prediction errors by element, and write them to ``residuals_by_element.csv``.

    The table has a row for each element in each set, with the number of crystals that contain the element, their MAE,
    and their mean error (prediction minus label). If there are several targets, the columns are ``mae:<name>`` and
    ``mean_error:<name>``. The figures show the test set, or the validation set if there is no test set: bars in the
    order of atomic numbers, and a periodic table for each target.

    Args:
        folder: Folder of a training. Figure and table are written there.
        elements: Element symbols of each crystal by its id, or the graphs of the data set.
        unit: Unit of the label. It is not shown if there are several targets.

    Returns:
        Path of the figure.

    Raises:
        OSError: The folder has no predictions, or figure or table cannot be written.
        KeyError: ``elements`` lacks a crystal that has a prediction.
    """
    if isinstance(elements, CrystalGraphs):
        elements = _symbols(elements)
    rows = _read(folder / PREDICTIONS)
    targets = _read_predictions(folder)
    table = _residuals(rows, targets, elements)
    dh.files.write_table(folder / RESIDUALS_TABLE, table)

    shown = [row for row in table if row["set"] == table[-1]["set"]]
    figure, panels = _panels(len(targets), width=max(6, 0.16 * len(shown)), stacked=True)
    for axes, name in zip(panels, targets, strict=True):
        ending, unit_here = (f":{name}", "") if len(targets) > 1 else ("", unit)
        names = [f"{row['element']} ({row['crystals']})" for row in shown]
        axes.bar(names, [row[f"mae{ending}"] for row in shown], label="MAE", alpha=0.6)
        axes.plot([row[f"mean_error{ending}"] for row in shown], "k.", markersize=4, label="mean error")
        axes.set(
            xlabel="element (number of crystals)",
            ylabel=_with_unit("Error", unit_here),
            title=f"{name}: {shown[0]['set']} set by element",
        )
        axes.tick_params("x", labelrotation=90, labelsize="x-small")
        axes.margins(x=0.01)
        axes.legend()
    _draw_periodic_table(folder, shown, list(targets), unit)
    return _saved(figure, folder / RESIDUALS)


def _draw_periodic_table(
    folder: Path, shown: Sequence[Mapping[str, Any]], targets: Sequence[str], unit: str
) -> None:
    """Draw the MAE of each element and its number of crystals as a periodic table, one for each target."""
    from matplotlib.colors import Normalize
    from pymatgen.core import Element

    figure, panels = _panels(len(targets), width=11, stacked=True)
    for axes, name in zip(panels, targets, strict=True):
        column, unit_here = (f"mae:{name}", "") if len(targets) > 1 else ("mae", unit)
        errors = [row[column] for row in shown]
        places = [_place(Element(row["element"])) for row in shown]
        squares = axes.scatter(
            [group for group, _ in places],
            [row for _, row in places],
            c=errors,
            s=900,
            marker="s",
            cmap="viridis_r",
            norm=Normalize(0, max(errors)),
        )
        for row, (group, period), error in zip(shown, places, errors, strict=True):
            ink = "white" if error > 0.6 * max(errors) else "black"
            text = f"{row['element']}\n{error:.2g}\n{row['crystals']}"
            axes.text(group, period, text, ha="center", va="center", fontsize=6, color=ink)
        axes.grid(visible=False)
        axes.set(xlim=(0.3, 18.7), ylim=(9.9, 0.4), xticks=[], yticks=[])
        axes.set_title(f"{name}: MAE and number of crystals, {shown[0]['set']} set")
        axes.set_aspect("equal")
        figure.colorbar(squares, ax=axes, label=_with_unit("MAE", unit_here), shrink=0.8)
    _saved(figure, folder / PERIODIC_TABLE)


def _place(element: Any) -> tuple[float, float]:
    """Return column and row of an element in the periodic table; lanthanides and actinides are below it."""
    for first, row in ((57, 8.3), (89, 9.3)):
        if first <= element.Z <= first + 14:
            return element.Z - first + 3.0, row
    return float(element.group), float(element.row)


def _residuals(
    rows: Sequence[Mapping[str, str]],
    targets: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    elements: Mapping[str, Collection[str]],
) -> list[dict[str, Any]]:
    """Return the rows of the table of residuals: sets in their order, elements by their atomic numbers."""
    table: list[dict[str, Any]] = []
    for which in dict.fromkeys(row["set"] for row in rows):
        positions: dict[str, list[int]] = {}
        for position, row in enumerate(row for row in rows if row["set"] == which):
            for element in elements[row["id"]]:
                positions.setdefault(element, []).append(position)
        for element in sorted(positions, key=ATOMIC_NUMBERS.__getitem__):
            line: dict[str, Any] = {"set": which, "element": element, "crystals": len(positions[element])}
            for name, sets in targets.items():
                labels, predictions = (values[positions[element]] for values in sets[which])
                ending = f":{name}" if len(targets) > 1 else ""
                line[f"mae{ending}"] = (predictions - labels).abs().mean().item()
                line[f"mean_error{ending}"] = (predictions - labels).mean().item()
            table.append(line)
    return table


def _symbols(graphs: CrystalGraphs) -> dict[str, set[str]]:
    """Return the element symbols of each crystal by its id."""
    from pymatgen.core import Element  # slow to import

    symbols = {number: Element.from_Z(number).symbol for number in range(1, 119)}
    return {
        identifier: {symbols[number] for number in set(atomic_numbers(graphs, row))}
        for row, identifier in enumerate(graphs.ids)
    }


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read_predictions(folder: Path) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """Return labels and predictions, float64 (C, 1) each, by target and by set."""
    rows = _read(folder / PREDICTIONS)
    endings = [name.removeprefix("label") for name in rows[0] if name.partition(":")[0] == "label"]

    def column(name: str, which: str) -> Tensor:
        values = [float(row[name]) for row in rows if row["set"] == which]
        return torch.tensor(values, dtype=torch.float64).unsqueeze(1)

    sets = list(dict.fromkeys(row["set"] for row in rows))
    return {
        ending.removeprefix(":") or "Predictions": {
            which: (column(f"label{ending}", which), column(f"prediction{ending}", which)) for which in sets
        }
        for ending in endings
    }


def _panels(count: int, width: float = 5, stacked: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, each ``width`` inches wide, side by side or stacked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shape = (count, 1) if stacked else (1, count)
    figure = Figure(figsize=(width * shape[1], 4 * shape[0]), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(*shape, squeeze=False).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
    return figure, panels


def _saved(figure: Figure, path: Path) -> Path:
    """Write a figure as PDF, for publications, and as PNG."""
    with dh.files.replacing(path.with_suffix(".pdf")) as aside:
        figure.savefig(aside, dpi=150, format="pdf")
    with dh.files.replacing(path) as aside:
        figure.savefig(aside, dpi=150, format=path.suffix.removeprefix("."))
    return path


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _value(number: float, unit: str) -> str:
    return f"{number:.4f} {unit}".strip()
