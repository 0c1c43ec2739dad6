"""How the learning rate goes."""

import pytest
import torch

from dh_project.cgcnn_mp.training.schedules import make_schedule
from dh_project.cgcnn_mp.training.settings import Settings


def rates(settings, steps_per_epoch=1):
    """Return the learning rate of each step of a training."""
    optimizer = settings.make_optimizer(torch.nn.Linear(1, 1))
    schedule = make_schedule(optimizer, settings, steps_per_epoch)
    found = []
    for _ in range(settings.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_multi_step_falls_after_its_milestones():
    settings = Settings(lr=1.0, milestones=(2, 4), gamma=0.1, epochs=5)
    assert rates(settings) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert rates(settings, 2) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_falls_from_lr_to_nearly_nothing():
    found = rates(Settings(lr=1.0, schedule="cosine", epochs=10), 10)
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert found[50] == pytest.approx(0.5)
    assert found[-1] < 1e-3


def test_one_cycle_rises_to_lr_and_falls_to_nearly_nothing():
    found = rates(Settings(lr=1.0, schedule="one-cycle", epochs=10), 10)
    top = found.index(max(found))
    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == pytest.approx(1.0, abs=0.01)
    assert 25 <= top <= 35
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[-1] < 1e-3


@pytest.mark.parametrize("optim", ["SGD", "Adam"])
def test_one_cycle_leaves_the_momentum(optim):
    settings = Settings(optim=optim, schedule="one-cycle", epochs=3)
    optimizer = settings.make_optimizer(torch.nn.Linear(1, 1))
    before = [optimizer.param_groups[0].get(name) for name in ("momentum", "betas")]
    make_schedule(optimizer, settings, 5)
    assert [optimizer.param_groups[0].get(name) for name in ("momentum", "betas")] == before
