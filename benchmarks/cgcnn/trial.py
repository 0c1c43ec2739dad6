"""A whole trial from CIF files, wall time of a fresh process on one core: ours first and later, and the original's.

    python benchmarks/cgcnn/trial.py --original CLONE

Ours is ``model_run.run`` in a new interpreter: the first trial with an empty cache, the later one with the graphs
that the first has left. (In a search a trial begins as a fork of a process that has imported torch: a second or two
less.) The original's is its own ``main.py`` with the same settings, which are its defaults: 30 epochs of SGD; it
makes its graphs anew in every process. The split is by ratio 0.6/0.2/0.2, each by its own rule.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from options import parser, sample_folder
from peers import missing_peers
from processes import Finished, Setting, run_original, run_ours
from rich.table import Table
from timing import print_table, use_one_core

FIRST, LATER, ORIGINAL = "ours, first trial", "ours, later trial", "original, each trial"


def measure(folder: Path, original: Path | None, setting: Setting, rounds: int) -> dict[str, list[Finished]]:
    """Run each once a round, in turns; it leaves this process bound to one core."""
    use_one_core()
    runs: dict[str, list[Finished]] = {name: [] for name in (FIRST, LATER, ORIGINAL)}
    with TemporaryDirectory() as made:
        for turn in range(rounds):
            home = Path(made) / str(turn)
            home.mkdir()
            ours = partial(run_ours, folder, setting, cache=home / "cache")
            runs[FIRST].append(ours(out=home / "first"))
            runs[LATER].append(ours(out=home / "later"))
            if original:
                runs[ORIGINAL].append(run_original(Path(original), folder, setting, home / "original"))
    return {name: finished for name, finished in runs.items() if finished}


def main() -> None:
    """Measure and print the table."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--epochs", type=int, default=30)
    made.add_argument("--optim", default="SGD", choices=["SGD", "Adam"])
    options = made.parse_args()
    folder = sample_folder(options)
    epochs = min(options.epochs, 2) if options.quick else options.epochs
    runs = measure(folder, options.original, Setting(epochs=epochs, optim=options.optim), options.rounds)
    best = {name: min(run.seconds for run in finished) for name, finished in runs.items()}
    table = Table("", "wall, s", "over the original", "CPU, s", "peak memory, MiB", "test MAE", box=None)
    for name, finished in runs.items():
        ratio = f"{best[ORIGINAL] / best[name]:.2f}" if ORIGINAL in best else ""
        run = min(finished, key=lambda one: one.seconds)
        table.add_row(
            name,
            f"{run.seconds:.1f}",
            ratio,
            f"{run.cpu_seconds:.1f}",
            f"{run.peak:.0f}",
            f"{run.test_mae:.4f}",
        )
    title = (
        f"{folder.name}: a trial of {epochs} epochs of {options.optim} from CIFs, one core, a fresh process"
    )
    print_table(title, table, missing_peers(options.original))


if __name__ == "__main__":
    main()
