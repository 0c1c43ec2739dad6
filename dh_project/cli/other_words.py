"""Options of other programs (Optuna, Ray Tune, HyperDrive, hpogrid, Slurm) and how to say the same here.

``docs/coming_from.rst`` has the full lists.
"""

from __future__ import annotations

from collections.abc import Collection

OPTIONS = {
    "--account": ("--project",),
    "--cpus": ("--num-cpus-per-task",),
    "--cpus-per-trial": ("--num-cpus-per-task",),
    "--data": ("--run-kwargs data=DATA",),
    "--epochs": ("--run-kwargs epochs=N",),
    "--gpus": ("--num-gpus-per-task",),
    "--gpus-per-trial": ("--num-gpus-per-task",),
    "--learning-rate": ("--lr",),
    "--max-concurrent": ("--num-workers",),
    "--max-concurrent-runs": ("--num-workers",),
    "--max-concurrent-trials": ("--num-workers",),
    "--max-duration-minutes": ("--timeout SECONDS",),
    "--max-epochs": ("--epochs", "--run-kwargs epochs=N"),
    "--max-total-runs": ("--max-evals",),
    "--max-total-trials": ("--max-evals",),
    "--max-trials": ("--max-evals",),
    "--metric": ("--run-kwargs metric=NAME",),
    "--mode": ("--run-kwargs mode=min",),
    "--n-trials": ("--max-evals",),
    "--n-workers": ("--num-workers",),
    "--num-nodes": ("--nodes",),
    "--num-samples": ("--max-evals",),
    "--out-dir": ("--log-dir", "--folder"),
    "--output-dir": ("--log-dir", "--folder"),
    "--partition": ("--queue",),
    "--pruner": ("--stopper",),
    "--retry": ("--max-retries",),
    "--storage": ("--log-dir",),
    "--study-name": ("--log-dir",),
    "--time": ("--minutes", "--time-minutes", "--timeout SECONDS"),
    "--time-budget-s": ("--timeout",),
    "--time-limit": ("--minutes", "--time-minutes", "--timeout SECONDS"),
    "--trials": ("--max-evals",),
}
"""By the option of another program: ours in order of preference, each for the commands that have it."""

CONTINUE = "the same command again continues the search"

SEARCHES = {
    "--algorithm": "deephyper hps random, or deephyper hps ambs",
    "--cluster": "deephyper submit SITE",
    "--compute-target": "deephyper submit SITE",
    "--continue": CONTINUE,
    "--direction": "the objective is maximised: return minus an error",
    "--fail-fast": "--max-failures 1",
    "--grid-search": "there is no grid search",
    "--load-if-exists": CONTINUE,
    "--partition": "deephyper submit SITE --queue QUEUE",
    "--points-to-evaluate": "Problem.add_starting_point(...) in problem.py",
    "--restore": CONTINUE,
    "--resume": CONTINUE,
    "--sampler": "deephyper hps random, or deephyper hps ambs",
    "--scheduler": "--stopper ends trials early; the batch scheduler is known from the site",
}
"""By the option of another program: what to do instead, for the commands that search."""


def in_our_words(word: str, options: Collection[str]) -> str | None:
    """Return how to say here what an option of another program says; None if nothing is known.

    Args:
        word: The unknown option, with its dashes.
        options: The options of the command.

    Example:
        >>> in_our_words("--n_trials", ["--max-evals", "--timeout"])
        '--max-evals'
    """
    word = word.replace("_", "-")
    ours = [option for option in OPTIONS.get(word, ()) if option.split()[0] in options]
    if ours:
        return ours[0]
    return SEARCHES.get(word) if {"--max-evals", "--log-dir"} <= set(options) else None
