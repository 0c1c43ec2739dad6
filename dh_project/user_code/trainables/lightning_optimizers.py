"""Keeps the hyperparameters of a trial when Lightning restores its optimizers from the checkpoint of another trial.

A checkpoint holds learning rate and weight decay of the training that wrote it. A child of population-based training
begins from its parent's checkpoint with other ones.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer

Settings = list[dict[str, Any]]
"""For each optimizer: the name of its class, and the settings of its groups of weights."""


def settings_of(trainer: Trainer) -> Settings:
    """Return the settings of the optimizers before the first step."""
    return [
        {
            "kind": type(optimizer).__name__,
            "groups": [_settings(group) for group in optimizer.param_groups],
        }
        for optimizer in trainer.optimizers
    ]


def keep_settings(trainer: Trainer, own: Settings, before: Settings) -> None:
    """Replace the restored settings of the optimizers that differ from the trial's own.

    A learning rate keeps the factor that its schedule has reached. An optimizer of another kind begins without state.

    Args:
        trainer: The trainer, after it has restored a checkpoint.
        own: The settings of this trial before its first step.
        before: Those of the trial that wrote the checkpoint.
    """
    if own == before or len(own) != len(before):
        return
    for optimizer, mine, theirs in zip(trainer.optimizers, own, before, strict=True):
        if mine["kind"] != theirs["kind"]:
            optimizer.state.clear()
        for group, new, old in zip(optimizer.param_groups, mine["groups"], theirs["groups"], strict=False):
            factor = group["lr"] / old["lr"] if old.get("lr") else 1.0
            changed = {name: value for name, value in new.items() if old.get(name) != value}
            group.update(changed)
            if "lr" in changed:
                group["lr"] = factor * new["lr"]
    for config in trainer.lr_scheduler_configs:
        scheduler: Any = config.scheduler
        if hasattr(scheduler, "base_lrs"):  # ReduceLROnPlateau has none
            scheduler.base_lrs = [group["initial_lr"] for group in scheduler.optimizer.param_groups]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None), tuple)
    return {name: value for name, value in group.items() if name != "params" and isinstance(value, plain)}
