"""The normalizer: each target separately, in both directions, and from every kind of checkpoint."""

import pytest
import torch

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer
from dh_project.cgcnn_mp.training.checkpoint import load_trained, save_checkpoint

LABELS = torch.tensor([[1.0, -100.0], [2.0, 300.0], [6.0, 250.0]], dtype=torch.float64)


def test_each_target_has_mean_0_and_deviation_1():
    normed = Normalizer.fit(LABELS).norm(LABELS)
    torch.testing.assert_close(normed.mean(0), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(normed.std(0), torch.ones(2, dtype=torch.float64))


def test_there_and_back():
    normalizer = Normalizer.fit(LABELS)
    torch.testing.assert_close(normalizer.denorm(normalizer.norm(LABELS)), LABELS)


def test_outputs_keep_their_precision():
    assert Normalizer.fit(LABELS).denorm(LABELS.float()).dtype == torch.float32


def test_one_value_alone_is_refused_though_rounding_gives_it_a_deviation():
    labels = torch.full((10, 1), 0.1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"all labels of the training set are 0\.1"):
        Normalizer.fit(labels)


@pytest.mark.parametrize("mean", [0.5, torch.tensor(0.5), torch.tensor([0.5]), [0.5]], ids=str)
def test_a_checkpoint_may_hold_a_number_a_scalar_or_one_for_each_target(tmp_path, mean):
    network = CrystalGraphConvNet(92, 41, atom_fea_len=4, n_conv=1, h_fea_len=4)
    contents = {"state_dict": network.state_dict(), "normalizer": {"mean": mean, "std": mean}}
    save_checkpoint(tmp_path / "best.pt", contents)
    trained = load_trained(tmp_path / "best.pt")
    loaded, normalizer = trained.network, trained.normalizer
    assert not loaded.classification
    assert normalizer.denorm(torch.ones(1, 1)).item() == 1.0


def test_two_outputs_are_two_targets_or_two_classes(tmp_path):
    for targets, classification in ((2, False), (1, True)):
        network = CrystalGraphConvNet(92, 41, 4, 1, 4, targets=targets, classification=classification)
        normalizer = {"mean": torch.zeros(targets), "std": torch.ones(targets)}
        model = {"classification": True} if classification else {}
        contents = {"state_dict": network.state_dict(), "normalizer": normalizer, "model": model}
        save_checkpoint(tmp_path / "best.pt", contents)
        assert load_trained(tmp_path / "best.pt").network.classification == classification
