"""``python -m dh_project.cgcnn_mp.default_config [key=value ...]``: train the baseline of a search.

It is the problem's first starting point, the defaults of the original code. ``key=value`` are arguments of
``model_run.run``, as in ``epochs=5 data=my_crystals``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import dh_project as dh
from dh_project.cgcnn_mp.training.retraining import retrain


def main(words: Sequence[str] | None = None) -> int:
    """Train the baseline; return the exit status."""
    return dh.exit_status(_train_baseline, words, dh.MISTAKES)


def _train_baseline(words: Sequence[str]) -> None:
    run_kwargs = dh.parse_key_values(words)
    from dh_project.cgcnn_mp.problem import Problem  # slow to import, and a mistake quick to tell

    retrain(Problem.starting_point_asdict[0], run_kwargs, folder="default_config")


if __name__ == "__main__":
    sys.exit(main())
