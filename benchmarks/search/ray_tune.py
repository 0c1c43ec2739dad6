"""Ray Tune on a cluster of this machine, with the four hyperparameters of these benchmarks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from space import CHOICES


def run_tune(
    objective: Callable[[dict[str, Any]], dict[str, float]],
    workers: int,
    trials: int,
    folder: Path,
    reuse_actors: bool,
    search: Any = None,
    ended: Callable[[], None] = lambda: None,
) -> None:
    """Run a search of Ray Tune.

    Args:
        objective: Takes the hyperparameters, returns ``{"score": …}``.
        workers: Trials at a time.
        trials: How many there are.
        folder: Where it writes.
        reuse_actors: Whether a trial gets the process of an earlier one.
        search: Tune's search algorithm; None for random points.
        ended: Called at the end of each trial.
    """
    import ray
    from ray import tune

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ended()

    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    tune.Tuner(
        objective,
        param_space={
            "lr": tune.loguniform(1e-4, 1e-1),
            "dropout": tune.uniform(0.0, 0.5),
            "units": tune.lograndint(16, 256),
            "activation": tune.choice(CHOICES),
        },
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=workers,
            reuse_actors=reuse_actors,
            search_alg=search,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[Ends()]),
    ).fit()
    ray.shutdown()
