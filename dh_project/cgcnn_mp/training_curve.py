"""The picture of a training: its validation MAE, epoch by epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from dh_project.cgcnn_mp.training import HISTORY

PICTURE = "training_curve.png"


def draw_training_curve(folder: Path, unit: str) -> Path:
    """Draw the history that a regression left in a folder, the best epoch marked.

    Args:
        folder: A training's folder; the picture goes there too.
        unit: Of the label.

    Returns:
        Path of the picture.

    Raises:
        OSError: There is no history, or the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with (folder / HISTORY).open(newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) for row in rows]
    errors = [float(row["val_mae"]) for row in rows]
    best = errors.index(min(errors))

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="Epoch", ylabel=f"Validation MAE ({unit})", title="Training curve")
    axes.plot(epochs, errors, marker=".")
    axes.plot(epochs[best], errors[best], "o", label=f"best: {errors[best]:.4f} {unit}, epoch {epochs[best]}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.1 * max(errors))
    axes.grid(alpha=0.3)
    axes.legend()
    picture = folder / PICTURE
    figure.savefig(picture, dpi=150)
    return picture
