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
from dh_project.cgcnn_mp.graphs.labelled_graphs import atomic_numbers
from dh_project.cgcnn_mp.training.evaluation import PREDICTIONS, TRAIN
from dh_project.cgcnn_mp.training.metrics import measure
from dh_project.cgcnn_mp.training.saving import HISTORY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING_CURVE, PARITY, ROC = "training_curve.png", "parity.png", "roc.png"
RESIDUALS, RESIDUALS_TABLE = "residuals_by_element.png", "residuals_by_element.csv"


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
    axes.set_ylim(0, 1.1 * max(errors))
    axes.legend()
    return _saved(figure, folder / TRAINING_CURVE)


def draw_parity(folder: Path, unit: str) -> Path:
    """Draw predictions against labels, with MAE and R² of each set. Each target has a panel.

    Args:
        folder: Folder of a training. The figure is written there.
        unit: Unit of the label. It is not shown if there are several targets.

    Returns:
        Path of the figure.

    Raises:
        OSError: The folder has no predictions, or the figure cannot be written.
    """
    targets = _read_predictions(folder)
    figure, panels = _panels(len(targets))
    for axes, (name, sets) in zip(panels, targets.items(), strict=True):
        unit_here = unit if len(targets) == 1 else ""
        axes.set(
            xlabel=_with_unit("Label", unit_here), ylabel=_with_unit("Prediction", unit_here), title=name
        )
        for which, (labels, predictions) in sets.items():
            metrics = measure(predictions, labels, classification=False)
            legend = f"{which}: MAE {_value(metrics['mae'], unit_here)}, R² {metrics['r2']:.3f}"
            look = {"alpha": 0.3, "color": "silver"} if which == TRAIN else {"alpha": 0.5}
            axes.scatter(labels, predictions, s=6, linewidths=0, label=legend, **look)
        every = torch.cat([values for pair in sets.values() for values in pair])
        ends = [every.min().item(), every.max().item()]
        axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.set_aspect("equal")
        axes.legend(fontsize="small")
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
    ``mean_error:<name>``. The figure shows the test set, or the validation set if there is no test set.

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
        axes.bar(
            [row["element"] for row in shown], [row[f"mae{ending}"] for row in shown], label="MAE", alpha=0.6
        )
        axes.plot([row[f"mean_error{ending}"] for row in shown], "k.", markersize=4, label="mean error")
        axes.set(ylabel=_with_unit("Error", unit_here), title=f"{name}: {shown[0]['set']} set by element")
        axes.tick_params("x", labelrotation=90, labelsize="x-small")
        axes.margins(x=0.01)
        axes.legend()
    return _saved(figure, folder / RESIDUALS)


def _residuals(
    rows: Sequence[Mapping[str, str]],
    targets: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    elements: Mapping[str, Collection[str]],
) -> list[dict[str, Any]]:
    """Return the rows of the table of residuals: sets in their order, elements in alphabetical order."""
    table: list[dict[str, Any]] = []
    for which in dict.fromkeys(row["set"] for row in rows):
        positions: dict[str, list[int]] = {}
        for position, row in enumerate(row for row in rows if row["set"] == which):
            for element in elements[row["id"]]:
                positions.setdefault(element, []).append(position)
        for element in sorted(positions):
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
    with dh.files.replacing(path) as aside:
        figure.savefig(aside, dpi=150, format=path.suffix.removeprefix("."))
    return path


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _value(number: float, unit: str) -> str:
    return f"{number:.4f} {unit}".strip()
