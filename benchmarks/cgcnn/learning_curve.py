r"""Test MAE of formation energy against the number of training crystals.

    python benchmarks/cgcnn/learning_curve.py --csv curve.csv --sizes 1000,3000,10000,all \
        --epochs 300,200,100,80 optim=AdamW lr=0.003 n_conv=4

The split is 0.6/0.2/0.2 with seed 0; validation and test set are the same for each size, and a smaller training set
is part of each larger one. ``key=value`` are hyperparameters, fields of ``Settings`` and arguments of ``load_data``.
A run's row is added to the CSV file as soon as it is done. A run ends early once it has used up its CPU minutes.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from samples import default_data
from timing import print_table

from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.load_data import DataSettings, load_data
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.common.key_values import parse_key_values

sys.path.append(str(Path(__file__).parents[1]))
from rows import append_row

Options = dict[str, Any]


def sort_options(options: Mapping[str, Any]) -> tuple[Options, Options, Options]:
    """Return the options of the architecture, of ``Settings`` and of ``load_data``.

    Raises:
        SystemExit: One is none of these.
    """
    names: list[set[str]] = [
        set(inspect.signature(CrystalGraphConvNet).parameters) - {"orig_atom_fea_len", "nbr_fea_len"},
        {field.name for field in fields(Settings)} - {"epochs"},
        {field.name for field in fields(DataSettings)},
    ]
    known = names[0] | names[1] | names[2]
    if unknown := options.keys() - known:
        raise SystemExit(f"unknown option {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    architecture, settings, data = (
        {name: options[name] for name in options if name in part} for part in names
    )
    if isinstance(settings.get("milestones"), list):
        settings["milestones"] = tuple(settings["milestones"])
    return architecture, settings, data


def subset(train_set: CrystalSet, size: int) -> CrystalSet:
    """Return so many training crystals; a smaller subset is part of a larger one."""
    order = torch.randperm(len(train_set), generator=torch.Generator().manual_seed(0))
    return replace(train_set, rows=train_set.rows[order[:size].sort().values])


def run(
    sets: Sequence[CrystalSet], architecture: Options, settings: Settings, minutes: float, folder: Path | None
) -> dict[str, Any]:
    """Train once, and return the run's row."""
    wall, cpu = time.monotonic(), time.process_time()

    def go_on(epoch: int, error: float) -> bool:
        return time.process_time() - cpu < 60 * minutes

    outcome = train(*sets, architecture=architecture, settings=settings, folder=folder, on_epoch=go_on)
    return {
        "training_crystals": len(sets[0]),
        "test_mae": outcome.test["mae"],
        "test_rmse": outcome.test["rmse"],
        "validation_mae": outcome.validation["mae"],
        "best_epoch": outcome.best_epoch,
        "epochs": outcome.epochs,
        "epochs_asked": settings.epochs,
        "cpu_minutes": (time.process_time() - cpu) / 60,
        "wall_minutes": (time.monotonic() - wall) / 60,
        "seed": settings.seed,
    }


def main() -> None:
    """Measure, and print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("options", nargs="*", metavar="key=value")
    made.add_argument("--sizes", default="1000,3000,10000,all")
    made.add_argument("--epochs", default="30", help="of all sizes, or one a size")
    made.add_argument("--csv", type=Path, default=Path("learning_curve.csv"))
    made.add_argument("--minutes", type=float, default=60, help="CPU minutes of a run, at most")
    made.add_argument("--folder", type=Path, help="where to leave weights and predictions, a folder a size")
    arguments = made.parse_intermixed_args()
    sizes, epochs = arguments.sizes.split(","), [int(count) for count in arguments.epochs.split(",")]
    if len(epochs) not in (1, len(sizes)):
        made.error("give --epochs once, or once a size")
    epochs *= len(sizes) // len(epochs)
    options = {"data": default_data()} | parse_key_values(arguments.options)
    architecture, chosen, data = sort_options(options)
    train_set, valid_set, test_set = load_data(**data)
    rows = []
    for text, count in zip(sizes, epochs, strict=True):
        size = len(train_set) if text == "all" else int(text)
        folder = None if arguments.folder is None else arguments.folder / text
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        sets = (subset(train_set, size), valid_set, test_set)
        settings = Settings(**{**chosen, "epochs": count})
        row = run(sets, architecture, settings, arguments.minutes, folder)
        rows.append(row)
        append_row(arguments.csv, row | {"options": json.dumps(options)})
        print(row, flush=True)
    table = Table(
        "training crystals", "test MAE", "validation MAE", "epochs", "CPU min", "wall min", box=None
    )
    for row in rows:
        cells = (row["test_mae"], row["validation_mae"])
        times = (row["cpu_minutes"], row["wall_minutes"])
        table.add_row(
            f"{row['training_crystals']:,}",
            *(f"{error:.4f}" for error in cells),
            f"{row['epochs']} of {row['epochs_asked']}",
            *(f"{minutes:.1f}" for minutes in times),
        )
    shown = " ".join(f"{name}={value}" for name, value in options.items() if name != "data")
    sizes_of_others = f"{len(valid_set):,} validation and {len(test_set):,} test crystals"
    title = f"{Path(options['data']).name}, {sizes_of_others}; {shown}"
    print_table(title, table)


if __name__ == "__main__":
    main()
