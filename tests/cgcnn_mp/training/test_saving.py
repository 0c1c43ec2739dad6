"""Checkpoints are written often enough and not too often, and no finished epoch is lost."""

import shutil

import pytest
import torch
from random_graphs import random_sets

from dh_project.cgcnn_mp.training import saving
from dh_project.cgcnn_mp.training.checkpoint import load_checkpoint
from dh_project.cgcnn_mp.training.loop import Training, train
from dh_project.cgcnn_mp.training.saving import BEST, HISTORY, LAST, Checkpoints, Saver, copied
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.trial import checkpoint_timer

SMALL = {"atom_fea_len": 8, "n_conv": 2, "h_fea_len": 8, "dropout": 0.1}
QUICK = Settings(epochs=5, batch_size=8, optim="Adam", schedule="one-cycle", averaging=0.9, device="cpu")
WRITING = 0.5
"""Seconds that writing takes by the clock of ``clock``."""


@pytest.fixture(scope="module")
def sets():
    return random_sets()


@pytest.fixture
def seldom(monkeypatch):
    """Only the first epoch is written before the end."""
    monkeypatch.setattr(checkpoint_timer, "SHARE", 1e-9)


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances only while ``last.pt`` is written."""
    clock = Clock()

    def write(path, contents):
        clock.now += WRITING if path.name == LAST else 0
        save_checkpoint(path, contents)

    save_checkpoint = saving.save_checkpoint
    monkeypatch.setattr(checkpoint_timer, "time", clock)
    monkeypatch.setattr(saving, "save_checkpoint", write)
    return clock


class Epochs:
    """Replaces a training: counts epochs, of which the first is the best."""

    def __init__(self, folder):
        self.done, self.folder = 0, folder

    def checkpoints(self):
        shared = {"normalizer": {}, "state_dict": {}}
        history = [{"epoch": epoch} for epoch in range(1, self.done + 1)]
        return Checkpoints({**shared, "epoch": 1}, {**shared, "history": history})

    def run(self, saver):
        self.done += 1
        saver.save_if_due()

    @property
    def written(self):
        return len(load_checkpoint(self.folder / LAST)["history"])


def quick_training(sets, folder, **options):
    folder.mkdir(exist_ok=True)
    return train(*sets, architecture=SMALL, settings=QUICK, folder=folder, **options)


def assert_same_end(one, other):
    for name in (BEST, LAST):
        expected, found = (load_checkpoint(folder / name)["state_dict"] for folder in (one, other))
        assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_writing_short_epochs_takes_at_most_a_twentieth_of_the_time(clock, tmp_path):
    epochs = Epochs(tmp_path)
    written = []
    with Saver(epochs.checkpoints, tmp_path) as saver:
        for _ in range(23):
            clock.now += 1.0
            epochs.run(saver)
            written.append(epochs.written)
    assert written == [1] * 10 + [11] * 10 + [21] * 3  # the next is due 19 times 0.5 s after the last
    assert epochs.written == 23


def test_long_epochs_are_written_each(clock, tmp_path):
    epochs = Epochs(tmp_path)
    with Saver(epochs.checkpoints, tmp_path) as saver:
        for epoch in range(1, 5):
            clock.now += 19 * WRITING
            epochs.run(saver)
            assert epochs.written == epoch


def test_an_error_loses_nothing(clock, tmp_path):
    epochs = Epochs(tmp_path)

    def run():
        with Saver(epochs.checkpoints, tmp_path) as saver:
            for _ in range(3):
                epochs.run(saver)
            assert epochs.written == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert epochs.written == 3


def test_without_a_folder_nothing_is_kept(tmp_path):
    epochs = Epochs(tmp_path)
    with Saver(pytest.fail, None) as saver:
        epochs.run(saver)
        saver.save()


def test_a_copy_does_not_change():
    weights = torch.zeros(2)
    taken = copied({"a": [weights, 3], "b": {"c": weights}})
    weights += 1
    assert taken["a"][0].tolist() == taken["b"]["c"].tolist() == [0, 0]
    assert taken["a"][1] == 3


@pytest.mark.parametrize("answered_no_after", [1, 2, 4])
def test_a_stopped_training_saves_its_last_epoch(sets, tmp_path, seldom, answered_no_after):
    quick_training(sets, tmp_path / "whole")
    quick_training(sets, tmp_path / "ended", on_epoch=lambda epoch, _: epoch < answered_no_after)
    assert len(load_checkpoint(tmp_path / "ended" / LAST)["history"]) == answered_no_after
    assert len((tmp_path / "ended" / HISTORY).read_text().splitlines()) == 1 + answered_no_after
    quick_training(sets, tmp_path / "resumed", resume=tmp_path / "ended" / LAST)
    assert_same_end(tmp_path / "whole", tmp_path / "resumed")


def test_ctrl_c_within_an_epoch_loses_no_finished_epoch(sets, tmp_path, seldom, monkeypatch):
    quick_training(sets, tmp_path / "whole")
    steps_of_an_epoch = -(-len(sets[0]) // QUICK.batch_size)
    taken, step = [], Training.step

    def interrupted(self, batch):
        taken.append(step(self, batch))
        if len(taken) == 3 * steps_of_an_epoch + 2:
            raise KeyboardInterrupt
        return taken[-1]

    monkeypatch.setattr(Training, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quick_training(sets, tmp_path / "interrupted")
    assert len(load_checkpoint(tmp_path / "interrupted" / LAST)["history"]) == 3
    quick_training(sets, tmp_path / "resumed", resume=tmp_path / "interrupted" / LAST)
    assert_same_end(tmp_path / "whole", tmp_path / "resumed")


def test_a_killed_training_resumes_from_its_last_checkpoint(sets, tmp_path, seldom):
    def copy(epoch, _):
        if epoch == 3:  # the files after a kill
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")
        return True

    quick_training(sets, tmp_path / "whole", on_epoch=copy)
    assert len(load_checkpoint(tmp_path / "killed" / LAST)["history"]) == 1
    quick_training(sets, tmp_path / "killed", resume=tmp_path / "killed" / LAST)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")
