"""Metrics: compared with hand calculations and scikit-learn, and undefined ones."""

import math

import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error, r2_score

from dh_project.cgcnn_mp.training.metrics import finite_or_none, measure, training_error

GENERATOR = torch.Generator().manual_seed(0)
LABELS, PREDICTIONS = torch.rand(2, 50, 2, generator=GENERATOR, dtype=torch.float64)
NAMES, STD = ("energy", "gap"), torch.tensor([0.5, 10.0], dtype=torch.float64)


def test_regression():
    labels, predictions = LABELS[:, :1], PREDICTIONS[:, :1]
    metrics = measure(predictions, labels, classification=False)
    assert list(metrics) == ["mae", "rmse", "r2"]
    assert metrics["mae"] == (predictions - labels).abs().mean().item()
    assert metrics["rmse"] == pytest.approx(mean_squared_error(labels, predictions) ** 0.5)
    assert metrics["r2"] == pytest.approx(r2_score(labels, predictions))


def test_several_targets_have_each_metric_by_name():
    metrics = measure(PREDICTIONS, LABELS, False, NAMES, STD)
    for column, name in enumerate(NAMES):
        alone = measure(PREDICTIONS[:, [column]], LABELS[:, [column]], False)
        assert {key: metrics[f"{key}_{name}"] for key in alone} == pytest.approx(alone)


def test_the_error_of_several_targets_comes_first_and_is_in_standard_deviations():
    metrics = training_error(PREDICTIONS, LABELS, False, NAMES, STD)
    assert list(metrics) == ["scaled_mae", "mae_energy", "mae_gap"]
    assert metrics["scaled_mae"] == pytest.approx((metrics["mae_energy"] / 0.5 + metrics["mae_gap"] / 10) / 2)


def test_classification():
    labels = torch.tensor([[0.0], [0.0], [1.0], [1.0]], dtype=torch.float64)
    predictions = torch.tensor([[0.1], [0.6], [0.7], [0.4]], dtype=torch.float64)
    metrics = measure(predictions, labels, classification=True)
    assert metrics == pytest.approx(
        {"nll": log_loss(labels, predictions), "accuracy": 0.5, "auc": 0.75, "f1": 0.5}
    )


def test_a_sure_and_wrong_prediction_is_a_large_error_not_an_infinite_one():
    metrics = training_error(torch.ones(1, 1), torch.zeros(1, 1), classification=True)
    assert 10 < metrics["nll"] < math.inf


@pytest.mark.parametrize("labels", [[0.1], [0.1, 0.1, 0.1]])
def test_r2_of_equal_labels_is_not_defined(labels):
    labels = torch.tensor(labels, dtype=torch.float64).unsqueeze(1)
    metrics = measure(labels + 0.1, labels, classification=False)
    assert math.isnan(metrics["r2"])
    assert finite_or_none(metrics)["r2"] is None


def test_auc_of_one_class_is_not_defined():
    metrics = measure(torch.rand(3, 1, dtype=torch.float64), torch.zeros(3, 1), classification=True)
    assert math.isnan(metrics["auc"])
