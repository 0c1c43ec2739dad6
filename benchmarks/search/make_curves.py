"""Write the learning curves of a search to the table that epochs.py replays.

    deephyper hps random --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run ...
    python benchmarks/search/make_curves.py FOLDER

Trials that are not done are left out. A trial that ended by its own patience has fewer epochs.
"""

import csv
import gzip
import sys
from pathlib import Path

import dh_project as dh

EPOCHS = 30


def main() -> None:
    """Write the points and the validation errors by epoch, in eV/atom with five significant digits."""
    trials = [trial for trial in dh.open_search(sys.argv[1]).trials if trial.state == "done"]
    names = sorted(trials[0].point)
    with gzip.open(Path(__file__).with_name("curves.csv.gz"), "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*names, *(f"epoch_{epoch}" for epoch in range(1, EPOCHS + 1))])
        for trial in trials:
            errors = dict(trial.reports)
            curve = [f"{-errors[epoch]:.5g}" if epoch in errors else "" for epoch in range(1, EPOCHS + 1)]
            rows.writerow([trial.point[name] for name in names] + curve)
    print(f"{len(trials)} curves")


if __name__ == "__main__":
    main()
