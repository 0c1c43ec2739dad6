import numpy as np
import pytest
from scipy.optimize import check_grad

from dh_project.hps.searchers.gaussian_process import GaussianProcess, Posterior


@pytest.fixture
def random():
    return np.random.default_rng(0)


def wave(rows):
    return np.sin(6 * rows[:, 0])


def test_the_gradient_of_the_loss_is_its_derivative(random):
    rows = random.random((20, 3))
    process = GaussianProcess(rows, wave(rows))
    parameters = np.array([0.3, -0.4, 0.1, 0.2, -3.0])
    error = check_grad(lambda x: process._loss(x)[0], lambda x: process._loss(x)[1], parameters)
    assert error < 1e-3


def test_a_feature_without_influence_gets_a_longer_scale(random):
    rows = random.random((40, 2))
    scales = GaussianProcess(rows, wave(rows)).scales
    assert scales[1] > 3 * scales[0]


@pytest.mark.parametrize("noise", [0.01, 0.3])
def test_the_noise_is_learnt(random, noise):
    rows = random.random((80, 1))
    process = GaussianProcess(rows, wave(rows) + noise * random.normal(size=80))
    assert noise / 2 < np.sqrt(process.noise) < noise * 2


def test_the_mean_is_nearer_to_the_truth_than_a_noisy_objective(random):
    rows = random.random((80, 1))
    observed = wave(rows) + 0.3 * random.normal(size=80)
    error = GaussianProcess(rows, observed).mean(rows) - wave(rows)
    assert np.sqrt((error**2).mean()) < 0.15


def test_a_pending_row_reduces_the_variance_nearby_and_leaves_the_mean(random):
    rows = random.random((10, 2))
    process, candidates = GaussianProcess(rows, wave(rows)), random.random((30, 2))
    free = Posterior(process, candidates, np.empty((0, 2)))
    busy = Posterior(process, candidates, candidates[:1])
    assert busy.mean == pytest.approx(free.mean)
    assert (busy.variance <= free.variance + 1e-9).all()
    assert busy.variance[0] < free.variance[0] / 2


def test_a_taken_candidate_is_as_a_pending_one(random):
    rows = random.random((10, 2))
    process, candidates = GaussianProcess(rows, wave(rows)), random.random((30, 2))
    taken = Posterior(process, candidates, candidates[:1])
    taken.take(7)
    pending = Posterior(process, candidates, candidates[[0, 7]])
    assert taken.variance == pytest.approx(pending.variance, abs=1e-6)
