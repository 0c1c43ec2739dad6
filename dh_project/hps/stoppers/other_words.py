"""The stoppers of other programs, and the same ones here."""

from __future__ import annotations

ALIASES = {
    # hpogrid, and Ray Tune's short names
    "asynchyperband": "asha",
    "async_hyperband": "asha",
    "bohbhyperband": "hyperband",
    "hb_bohb": "hyperband",
    "median_stopping_rule": "median",
    "medianstopping": "median",
    # Ray Tune
    "ASHAScheduler": "asha",
    "AsyncHyperBandScheduler": "asha",
    "HyperBandForBOHB": "hyperband",
    "HyperBandScheduler": "hyperband",
    "MedianStoppingRule": "median",
    "PopulationBasedTraining": "pbt",
    # HyperDrive
    "BanditPolicy": "bandit",
    "MedianStoppingPolicy": "median",
    "TruncationSelectionPolicy": "truncation",
    # Optuna
    "HyperbandPruner": "hyperband",
    "MedianPruner": "median",
    "PatientPruner": "patience",
    "PercentilePruner": "percentile",
    "SuccessiveHalvingPruner": "asha",
}
"""By the name in hpogrid, Ray Tune, HyperDrive or Optuna: the stopper that does the same here."""

SETTINGS = {
    "grace_period": "first_step",
    "max_resource": "last_step",
    "max_t": "last_step",
    "min_resource": "first_step",
    "min_samples_required": "fewest",
    "n_startup_trials": "fewest",
    "n_warmup_steps": "first_step",
    "reduction_factor": "eta",
}
"""By the name of a setting in these programs: the one that means the same here, if the stopper has it."""
