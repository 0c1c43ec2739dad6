"""Training: what it computes, what it leaves, how it ends, and that it can be interrupted anywhere."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from random_graphs import random_graphs, random_sets

from dh_project.cgcnn_mp import checkpoint
from dh_project.cgcnn_mp.checkpoint import CheckpointError, load_checkpoint, load_network, save_checkpoint
from dh_project.cgcnn_mp.evaluation import measure, predict
from dh_project.cgcnn_mp.settings import Settings
from dh_project.cgcnn_mp.training import BEST, HISTORY, LAST, train

SMALL = {"atom_fea_len": 8, "n_conv": 2, "h_fea_len": 8, "dropout": 0.1}
QUICK = Settings(epochs=4, batch_size=8, optim="Adam", device="cpu")


@pytest.fixture(scope="module")
def sets():
    return random_sets()


def quick_training(sets, settings=QUICK, **options):
    return train(*sets, architecture=SMALL, settings=settings, **options)


def weights(outcome):
    return outcome.network.state_dict()


def assert_equal_bits(some, others):
    assert some.keys() == others.keys()
    assert all(torch.equal(some[name], others[name]) for name in some)


def with_labels(sets, labels):
    graphs = replace(sets[0].graphs, labels=labels)
    return [replace(crystals, graphs=graphs) for crystals in sets]


def test_training_learns(sets):
    outcome = quick_training(sets, replace(QUICK, epochs=30, lr=0.02))
    guess = (sets[1].labels - sets[0].labels.mean()).abs().mean().item()
    assert outcome.validation["mae"] < 0.6 * guess


@pytest.mark.parametrize("optim", ["SGD", "Adam", "AdamW"])
def test_equal_seeds_give_equal_bits(sets, optim):
    settings = replace(QUICK, optim=optim)
    assert_equal_bits(weights(quick_training(sets, settings)), weights(quick_training(sets, settings)))


def test_another_seed_gives_another_network(sets):
    one, other = (weights(quick_training(sets, replace(QUICK, seed=seed))) for seed in (0, 1))
    assert not torch.equal(one["fc_out.weight"], other["fc_out.weight"])


def test_the_callers_random_state_and_threads_stay(sets):
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    quick_training(sets, replace(QUICK, threads=threads + 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("optim", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("interrupted_after", [1, 2, 3, 4])
def test_an_interrupted_training_ends_as_the_uninterrupted(sets, tmp_path, interrupted_after, optim):
    settings = replace(QUICK, optim=optim, milestones=(2,))
    whole, parts, resumed = (tmp_path / name for name in ("whole", "parts", "resumed"))
    for folder in (whole, parts, resumed):
        folder.mkdir()
    quick_training(sets, settings, folder=whole)
    quick_training(sets, settings, folder=parts, on_epoch=lambda epoch, _: epoch < interrupted_after)
    quick_training(sets, settings, folder=resumed, resume=parts / LAST)
    for name in (BEST, LAST):
        expected, found = load_checkpoint(whole / name), load_checkpoint(resumed / name)
        assert_equal_bits(expected["state_dict"], found["state_dict"])
    errors = [
        [row["val_mae"] for row in load_checkpoint(folder / LAST)["history"]] for folder in (whole, resumed)
    ]
    assert errors[0] == errors[1]


def test_a_resumed_training_reports_only_new_epochs(sets, tmp_path):
    quick_training(sets, replace(QUICK, epochs=2), folder=tmp_path)
    seen = []
    quick_training(sets, resume=tmp_path / LAST, on_epoch=lambda epoch, _: seen.append(epoch) or True)
    assert seen == [3, 4]


def test_the_best_epoch_is_kept_and_tested(sets, tmp_path):
    outcome = quick_training(sets, replace(QUICK, epochs=6, lr=0.05), folder=tmp_path)
    history = load_checkpoint(tmp_path / LAST)["history"]
    errors = [row["val_mae"] for row in history]
    assert outcome.best_epoch == errors.index(min(errors)) + 1
    assert outcome.validation["mae"] == min(errors)
    network, normalizer = load_network(tmp_path / BEST)
    predictions = predict(network, normalizer, sets[2])
    assert measure(predictions, sets[2].labels, False) == outcome.test


def test_the_error_weighs_every_crystal_once():
    graphs = random_graphs(crystals=400)
    sets = random_sets(graphs)
    sets = (sets[0], replace(sets[1], rows=torch.arange(257)), sets[2])  # one more than a batch
    outcome = quick_training(sets, replace(QUICK, epochs=1))
    predictions = predict(outcome.network, outcome.normalizer, sets[1])
    assert outcome.validation["mae"] == (predictions - sets[1].labels.squeeze(1)).abs().mean().item()


def test_the_normaliser_sees_training_labels_alone(sets):
    labels = sets[0].graphs.labels.clone()
    labels[len(sets[0]) :] += 1000.0
    outcome = quick_training(with_labels(sets, labels), replace(QUICK, epochs=1))
    assert outcome.normalizer.mean == sets[0].labels.mean().item()
    assert outcome.normalizer.std == sets[0].labels.std().item()


def test_labels_of_one_value_are_refused(sets):
    with pytest.raises(ValueError, match="all labels of the training set are 3"):
        quick_training(with_labels(sets, torch.full_like(sets[0].graphs.labels, 3.0)))


def test_the_learning_rate_falls_after_its_milestones():
    settings = Settings(lr=1.0, milestones=(2, 4), gamma=0.1)
    assert [settings.learning_rate(epoch) for epoch in range(1, 6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_training_that_brings_nothing_more_ends(sets):
    outcome = quick_training(sets, replace(QUICK, epochs=50, lr=1e-12, patience=3))
    assert outcome.epochs == outcome.best_epoch + 3 < 50


def test_an_answer_of_no_ends_the_training(sets):
    assert quick_training(sets, on_epoch=lambda epoch, _: epoch < 2).epochs == 2


def test_divergence_stops_with_its_reason(sets):
    with pytest.raises(
        FloatingPointError, match=r"in epoch \d+ at learning rate 1e\+30.*smaller learning rate"
    ):
        quick_training(sets, replace(QUICK, optim="SGD", lr=1e30))


def test_the_classification_head_trains(sets):
    labels = (sets[0].graphs.labels > sets[0].graphs.labels.median()).double()
    outcome = train(
        *with_labels(sets, labels),
        architecture={**SMALL, "classification": True},
        settings=replace(QUICK, epochs=30, lr=0.02),
    )
    assert outcome.validation["nll"] < 0.6931  # ln 2, that of a coin
    assert outcome.validation["accuracy"] > 0.6


def test_classification_refuses_labels_that_are_no_classes(sets):
    with pytest.raises(ValueError, match="labels 0 and 1"):
        train(*sets, architecture={"classification": True}, settings=QUICK)


def test_nothing_is_written_without_a_folder(sets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick_training(sets)
    assert list(tmp_path.iterdir()) == []


def test_what_a_training_leaves(sets, tmp_path):
    outcome = quick_training(sets, folder=tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {BEST, LAST, HISTORY, "predictions.csv", "metrics.json"}
    history = list(csv.DictReader((tmp_path / HISTORY).open()))
    assert list(history[0]) == ["epoch", "train_loss", "val_mae", "learning_rate", "seconds"]
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4"]
    predictions = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert [row["id"] for row in predictions] == sets[1].ids + sets[2].ids
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == outcome.test


def test_an_unwritable_checkpoint_leaves_the_old_one(tmp_path):
    path = tmp_path / LAST
    save_checkpoint(path, {"state_dict": {}, "normalizer": {}, "epoch": 1})
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        save_checkpoint(
            path, {"state_dict": {}, "normalizer": {}, "epoch": lambda: 2}
        )  # cannot be serialised
    assert load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == [LAST]


def test_a_checkpoint_of_other_graphs_is_refused(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    with pytest.raises(CheckpointError, match="max_num_nbr 12, not 6"):
        quick_training(random_sets(random_graphs(neighbours=6)), resume=tmp_path / LAST)


def test_a_checkpoint_of_other_settings_is_refused(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"lr 0.01, not 0.02"):
        quick_training(sets, replace(QUICK, lr=0.02), resume=tmp_path / LAST)


def test_weights_alone_cannot_be_resumed_from(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"holds weights alone; to go on, name the last\.pt"):
        quick_training(sets, resume=tmp_path / BEST)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / LAST
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.pt is no checkpoint, or a damaged one"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    path = tmp_path / LAST
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_a_checkpoint_of_a_newer_schema_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA", 99)
    save_checkpoint(tmp_path / LAST, {"state_dict": {}, "normalizer": {}})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="schema 99"):
        load_checkpoint(tmp_path / LAST)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optim": "Adm"}, "unknown optim 'Adm'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_settings_that_cannot_be_are_refused(sets, wrong, message):
    with pytest.raises(ValueError, match=message):
        quick_training(sets, replace(QUICK, **wrong))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_asked_for_where_there_is_none_is_refused(sets):
    with pytest.raises(ValueError, match="torch finds 0 GPUs"):
        quick_training(sets, replace(QUICK, device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_training_on_a_gpu_learns(sets):
    outcome = quick_training(sets, replace(QUICK, epochs=30, lr=0.02, device="cuda"))
    assert next(outcome.network.parameters()).is_cuda
    guess = (sets[1].labels - sets[0].labels.mean()).abs().mean().item()
    assert outcome.validation["mae"] < 0.6 * guess
