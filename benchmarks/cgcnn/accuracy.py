"""Test MAE of ours and of the original's at equal settings: same crystals in each set, same hyperparameters.

    python benchmarks/cgcnn/accuracy.py --data flla --crystals 2000 --original CLONE

Each training is a process of its own (the original's by its ``main.py``, with seeds set before it begins). The sets
are the original's: it shuffles ``id_prop.csv`` by a seed of its own and cuts; ours takes the same ids as split files.
What differs is the tie rule of the neighbours, the label normaliser (ours of the training set, the original's of 500
labels of all) and the random numbers. The difference of the means is set beside its standard error.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from options import parser, sample_folder
from peers import load_original
from processes import Setting, run_original, run_ours
from rich.table import Table
from timing import print_table, use_one_core


def write_split(clone: Path, folder: Path, setting: Setting, home: Path) -> list[Path]:
    """Write the original's sets as three files of ids: training, validation, test."""
    modules = load_original(clone)
    assert modules is not None
    ids = [row[0] for row in modules[0].CIFData(str(folder)).id_prop_data]
    train, valid, test = (
        int(ratio * len(ids)) for ratio in (setting.train_ratio, setting.val_ratio, setting.test_ratio)
    )
    paths = []
    for name, part in (
        ("train", ids[:train]),
        ("valid", ids[-(valid + test) : -test]),
        ("test", ids[-test:]),
    ):
        paths.append(home / f"{name}.txt")
        paths[-1].write_text("".join(f"{identifier}\n" for identifier in part))
    return paths


def measure(clone: Path, folder: Path, settings: Sequence[Setting]) -> tuple[list[float], list[float]]:
    """Return the test MAE of ours and of the original's for each setting, in turns."""
    use_one_core()
    ours, theirs = [], []
    with TemporaryDirectory() as made:
        home = Path(made)
        split = write_split(clone, folder, settings[0], home)
        for setting in settings:
            out = home / f"ours-{setting.seed}"
            ours.append(run_ours(folder, setting, out, home / "cache", split).test_mae)
            theirs.append(run_original(clone, folder, setting, home / f"original-{setting.seed}").test_mae)
            print(f"seed {setting.seed}: ours {ours[-1]:.4f}, original {theirs[-1]:.4f}", flush=True)
    return ours, theirs


def main() -> None:
    """Measure and print the table."""
    made = parser(__doc__)
    made.set_defaults(data="flla", crystals=2000)
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--epochs", type=int, default=30)
    made.add_argument("--optim", default="Adam", choices=["SGD", "Adam"])
    made.add_argument("--lr", type=float, default=0.01)
    options = made.parse_args()
    if not options.original:
        made.error("name a clone of the original with --original")
    folder = sample_folder(options)
    epochs = min(options.epochs, 2) if options.quick else options.epochs
    settings = [
        Setting(epochs=epochs, optim=options.optim, lr=options.lr, seed=seed) for seed in range(options.seeds)
    ]
    ours, theirs = measure(options.original, folder, settings)
    table = Table("", "test MAE, mean", "standard deviation", "each seed", box=None)
    for name, errors in (("ours", ours), ("original", theirs)):
        each = ", ".join(f"{error:.4f}" for error in errors)
        spread = f"{statistics.stdev(errors):.4f}" if len(errors) > 1 else ""
        table.add_row(name, f"{statistics.mean(errors):.4f}", spread, each)
    difference = statistics.mean(ours) - statistics.mean(theirs)
    error = ""
    if len(ours) > 1:
        variance = (statistics.variance(ours) + statistics.variance(theirs)) / len(ours)
        error = f"standard error {variance**0.5:.4f}"
    table.add_row("ours less the original", f"{difference:+.4f}", "", error)
    print_table(f"{folder.name}: {epochs} epochs of {options.optim} at {options.lr:g}, equal sets", table)


if __name__ == "__main__":
    main()
