"""``python -m dh_project.cgcnn_mp.best_config [results.csv|best.json] [key=value ...]``: train the best point.

It repeats the recorded run: on a CPU its objective equals the recorded one to the last digit. Without a file
it takes ``best.json`` of the working directory, else ``results.csv``. ``key=value`` override the recorded
arguments of ``model_run.run``, as in ``epochs=300 patience=50``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import dh_project as dh
from dh_project.cgcnn_mp.network.data_parallel import own_ranks
from dh_project.cgcnn_mp.training.configuration import check_is_cgcnn
from dh_project.cgcnn_mp.training.retraining import retrain


def main(words: Sequence[str] | None = None) -> int:
    """Train the best point; return the exit status."""
    return dh.exit_status(_train_best, words, dh.MISTAKES)


def _train_best(words: Sequence[str]) -> None:
    path = dh.results_file([word for word in words if "=" not in word])
    given = dh.parse_key_values([word for word in words if "=" in word])
    best = dh.best_configuration(path)
    check_is_cgcnn(path, best.run)
    if own_ranks().is_first:
        print(f"trial {best.trial} of {path}: {best.point}")
    retrain(best.point, best.run_kwargs | given, folder="best_config", recorded=best.objective)


if __name__ == "__main__":
    sys.exit(main())
