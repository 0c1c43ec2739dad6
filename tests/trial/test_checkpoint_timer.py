"""How often checkpoints are due."""

import pytest

import dh_project as dh
from dh_project.trial import checkpoint_timer


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(checkpoint_timer, "time", clock)
    return clock


def test_the_first_checkpoint_is_due_at_once(clock):
    assert dh.CheckpointTimer().is_due()


@pytest.mark.parametrize(("share", "pause"), [(0.05, 38.0), (0.5, 2.0), (1.0, 0.0)])
def test_writing_takes_at_most_its_share_of_the_time(clock, share, pause):
    timer = dh.CheckpointTimer(share)
    with timer.writing():
        clock.now += 2.0
    clock.now += pause - 0.01
    assert not timer.is_due() or pause == 0
    clock.now += 0.02
    assert timer.is_due()


def test_a_checkpoint_that_could_not_be_written_stays_due(clock):
    timer = dh.CheckpointTimer()

    def fail():
        with timer.writing():
            clock.now += 2.0
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert timer.is_due()
