"""Learning rate schedules; each one takes a step after every step of the optimizer."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from dh_project.cgcnn_mp.training.settings import Settings


def make_schedule(optimizer: Optimizer, settings: Settings, steps_per_epoch: int) -> LRScheduler:
    """Return the learning rate schedule that the settings name.

    - ``multi-step`` multiplies the rate by ``gamma`` after each milestone.
    - ``cosine`` decreases it from ``lr`` to 0 over all epochs (Loshchilov and Hutter, arXiv:1608.03983, without
      restarts).
    - ``one-cycle`` increases it from ``lr`` / 25 to ``lr`` over 30 % of the steps, and then decreases it to nearly 0
      (Smith and Topin, arXiv:1708.07120). The momentum is constant.

    Args:
        optimizer: The optimizer; its learning rate is ``settings.lr``.
        settings: How to train.
        steps_per_epoch: Number of optimizer steps per epoch.
    """
    steps = settings.epochs * steps_per_epoch
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if settings.schedule == "one-cycle":
        return OneCycleLR(optimizer, max_lr=settings.lr, total_steps=steps, cycle_momentum=False)
    milestones = [milestone * steps_per_epoch for milestone in settings.milestones]
    return MultiStepLR(optimizer, milestones, settings.gamma)
