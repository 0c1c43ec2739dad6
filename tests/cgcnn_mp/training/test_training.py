"""The training loop: its results, its files, its end, and interruptions."""

import csv
import json
import math
from dataclasses import replace

import pytest
import torch
from operator_recorder import OperatorRecorder
from random_graphs import random_graphs, random_sets

from dh_project.cgcnn_mp.network import cuda_graphs
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.training import checkpoint
from dh_project.cgcnn_mp.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_trained,
    save_checkpoint,
)
from dh_project.cgcnn_mp.training.evaluation import measure, predict
from dh_project.cgcnn_mp.training.loop import Training, train
from dh_project.cgcnn_mp.training.saving import BEST, HISTORY, LAST
from dh_project.cgcnn_mp.training.settings import Settings

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


def predictions_of(folder, which):
    """Return the rows of one set in a training's table of predictions."""
    with (folder / "predictions.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["set"] == which]


def with_labels(sets, labels, names=("label",)):
    graphs = replace(sets[0].graphs, labels=labels, label_names=names)
    return [replace(crystals, graphs=graphs) for crystals in sets]


@pytest.fixture(scope="module")
def two_targets(sets):
    """The sets with two labels, of different units."""
    labels = sets[0].graphs.labels
    return with_labels(sets, torch.cat([labels, 500 - 100 * labels], dim=1), ("energy", "gap"))


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


@pytest.mark.parametrize(
    "options",
    [
        {"optim": "SGD", "milestones": (2,)},
        {"milestones": (2,)},
        {"optim": "AdamW", "clip_norm": 0.1, "loss": "huber"},
        {"optim": "SGD", "schedule": "cosine"},
        {"schedule": "one-cycle"},
        {"schedule": "one-cycle", "averaging": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize("interrupted_after", [1, 2, 3, 4])
def test_an_interrupted_training_ends_as_the_uninterrupted(sets, tmp_path, interrupted_after, options):
    settings = replace(QUICK, **options)
    whole, parts, resumed = (tmp_path / name for name in ("whole", "parts", "resumed"))
    for folder in (whole, parts, resumed):
        folder.mkdir()
    quick_training(sets, settings, folder=whole)
    quick_training(sets, settings, folder=parts, on_epoch=lambda epoch, _: epoch < interrupted_after)
    quick_training(sets, settings, folder=resumed, resume=parts / LAST)
    for name in (BEST, LAST):
        expected, found = load_checkpoint(whole / name), load_checkpoint(resumed / name)
        assert_equal_bits(expected["state_dict"], found["state_dict"])
    assert_equal_bits(expected["best_state_dict"], found["best_state_dict"])
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
    trained = load_trained(tmp_path / BEST)
    network, normalizer = trained.network, trained.normalizer
    predictions = predict(network, normalizer, sets[2])
    assert measure(predictions, sets[2].labels, False) == outcome.test


def test_the_error_weighs_every_crystal_once():
    graphs = random_graphs(crystals=400)
    sets = random_sets(graphs)
    sets = (sets[0], replace(sets[1], rows=torch.arange(257)), sets[2])  # a last batch of one
    outcome = quick_training(sets, replace(QUICK, epochs=1))
    predictions = predict(outcome.network, outcome.normalizer, sets[1])
    assert outcome.validation["mae"] == (predictions - sets[1].labels).abs().mean().item()


def test_the_normaliser_sees_training_labels_alone(sets):
    labels = sets[0].graphs.labels.clone()
    labels[len(sets[0]) :] += 1000.0
    outcome = quick_training(with_labels(sets, labels), replace(QUICK, epochs=1))
    assert outcome.normalizer.mean == sets[0].labels.mean().item()
    assert outcome.normalizer.std == sets[0].labels.std().item()


def test_labels_of_one_value_are_refused(sets):
    with pytest.raises(ValueError, match="all labels of the training set are 3"):
        quick_training(with_labels(sets, torch.full_like(sets[0].graphs.labels, 3.0)))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_training_set_of_one_crystal_or_none_is_refused(sets, rows):
    few = replace(sets[0], rows=torch.arange(rows))
    with pytest.raises(ValueError, match=f"the training set has {rows} crystals"):
        quick_training([few, *sets[1:]])


def test_an_empty_validation_set_is_refused(sets):
    with pytest.raises(ValueError, match="the validation set is empty"):
        quick_training([sets[0], replace(sets[1], rows=torch.arange(0)), sets[2]])


def test_the_history_has_each_epochs_first_learning_rate(sets, tmp_path):
    quick_training(sets, replace(QUICK, milestones=(2,), gamma=0.5), folder=tmp_path)
    rates = [row["learning_rate"] for row in load_checkpoint(tmp_path / LAST)["history"]]
    assert rates == [0.01, 0.01, 0.005, 0.005]


@pytest.mark.parametrize("loss", ["l1", "huber"])
def test_each_loss_learns_another_network(sets, loss):
    usual, other = (quick_training(sets, replace(QUICK, loss=name)) for name in ("mse", loss))
    assert not torch.equal(weights(usual)["fc_out.weight"], weights(other)["fc_out.weight"])


def test_clipped_gradients_make_short_steps(sets):
    settings = replace(QUICK, optim="SGD", momentum=0.0, epochs=1)
    begin, free, clipped = (
        weights(quick_training(sets, replace(settings, **options)))["embedding.weight"]
        for options in ({"lr": 1e-30}, {}, {"clip_norm": 1e-6})
    )
    steps = math.ceil(len(sets[0]) / settings.batch_size)
    longest = 1.01 * steps * settings.lr * 1e-6
    assert (clipped - begin).norm() <= longest < (free - begin).norm()


def test_averaged_weights_are_validated_and_kept(sets, tmp_path):
    outcome = quick_training(sets, replace(QUICK, averaging=0.9), folder=tmp_path)
    last = load_checkpoint(tmp_path / LAST)
    assert not torch.equal(last["state_dict"]["fc_out.weight"], last["best_state_dict"]["fc_out.weight"])
    assert_equal_bits(weights(outcome), last["best_state_dict"])
    predictions = predict(outcome.network, outcome.normalizer, sets[1])
    assert outcome.validation["mae"] == (predictions - sets[1].labels).abs().mean().item()


def test_averaging_does_not_change_the_steps(sets, tmp_path):
    for decay in (0.0, 0.9):
        (tmp_path / str(decay)).mkdir()
        quick_training(sets, replace(QUICK, averaging=decay), folder=tmp_path / str(decay))
    without, averaged = (load_checkpoint(tmp_path / name / LAST)["state_dict"] for name in ("0.0", "0.9"))
    assert_equal_bits(without, averaged)


def test_several_targets_are_learnt_at_once(two_targets):
    outcome = quick_training(two_targets, replace(QUICK, epochs=30, lr=0.02))
    guesses = (two_targets[1].labels - two_targets[0].labels.mean(0)).abs().mean(0)
    for name, guess in zip(("energy", "gap"), guesses.tolist(), strict=True):
        assert outcome.validation[f"mae_{name}"] < 0.7 * guess
    assert outcome.error == outcome.validation["scaled_mae"]
    assert outcome.network.fc_out.out_features == 2
    assert not outcome.network.classification


def test_the_error_of_several_targets_is_their_mean_in_training_standard_deviations(two_targets):
    outcome = quick_training(two_targets)
    deviations = two_targets[0].labels.std(0)
    errors = torch.tensor([outcome.validation["mae_energy"], outcome.validation["mae_gap"]])
    assert outcome.error == pytest.approx((errors / deviations).mean().item())


def test_files_of_a_training_with_several_targets(two_targets, tmp_path):
    outcome = quick_training(two_targets, folder=tmp_path)
    history = list(csv.DictReader((tmp_path / HISTORY).open()))
    assert list(history[0])[2:5] == ["val_scaled_mae", "val_mae_energy", "val_mae_gap"]
    predictions = predictions_of(tmp_path, "validation")
    pairs = ["label:energy", "prediction:energy", "label:gap", "prediction:gap"]
    assert list(predictions[0]) == ["id", "set", *pairs]
    trained = load_trained(tmp_path / BEST)
    network, normalizer = trained.network, trained.normalizer
    expected = predict(network, normalizer, two_targets[1])[0].tolist()
    assert [float(predictions[0][f"prediction:{name}"]) for name in ("energy", "gap")] == expected
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == outcome.test


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
    assert outcome.validation["auc"] > 0.6
    assert outcome.error == outcome.validation["nll"]


def test_classification_refuses_labels_that_are_no_classes(sets):
    with pytest.raises(ValueError, match="labels 0 and 1"):
        train(*sets, architecture={"classification": True}, settings=QUICK)


@pytest.mark.parametrize("which", [1, 2])
def test_a_set_without_training_may_hold_no_other_classes_either(sets, which):
    labels = (sets[0].graphs.labels > sets[0].graphs.labels.median()).double()
    labels[sets[which].rows[0]] = 2
    with pytest.raises(ValueError, match="labels 0 and 1"):
        train(*with_labels(sets, labels), architecture={"classification": True}, settings=QUICK)


def test_classification_refuses_several_labels(two_targets):
    with pytest.raises(ValueError, match="classification learns one label, and there are 2"):
        train(*two_targets, architecture={"classification": True}, settings=QUICK)


def test_classification_refuses_one_class_alone(sets):
    with pytest.raises(ValueError, match="all labels of the training set are 1"):
        train(
            *with_labels(sets, torch.ones_like(sets[0].graphs.labels)),
            architecture={"classification": True},
            settings=QUICK,
        )


def test_metrics_that_are_not_defined_are_null_in_the_file(sets, tmp_path):
    lone = replace(sets[2], rows=sets[2].rows[:1])
    quick_training([sets[0], sets[1], lone], folder=tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["test"]["r2"] is None


def test_nothing_is_written_without_a_folder(sets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick_training(sets)
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_training(sets, tmp_path):
    outcome = quick_training(sets, folder=tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {BEST, LAST, HISTORY, "predictions.csv", "metrics.json"}
    history = list(csv.DictReader((tmp_path / HISTORY).open()))
    assert list(history[0]) == ["epoch", "train_loss", "val_mae", "learning_rate", "seconds"]
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4"]
    for name, crystals in zip(("train", "validation", "test"), sets, strict=True):
        assert [row["id"] for row in predictions_of(tmp_path, name)] == crystals.ids
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == {"train": outcome.training, "validation": outcome.validation, "test": outcome.test}


def test_the_training_loss_is_the_mean_over_all_crystals(sets, tmp_path, monkeypatch):
    taken = []

    def step(self, batch, share=1.0):
        taken.append((len(batch.labels), float(len(taken) + 1)))
        return torch.tensor(taken[-1][1])

    monkeypatch.setattr(Training, "step", step)
    quick_training(sets, replace(QUICK, epochs=1, batch_size=7), folder=tmp_path)
    sizes = [size for size, _ in taken]
    assert sum(sizes) == len(sets[0])
    assert sizes[-1] != 7  # the last batch is smaller, and counts less
    (row,) = csv.DictReader((tmp_path / HISTORY).open())
    wanted = sum(size * loss for size, loss in taken) / sum(sizes)
    assert float(row["train_loss"]) == pytest.approx(wanted)


def test_the_training_set_is_predicted_in_its_own_units(sets, tmp_path):
    outcome = quick_training(sets, replace(QUICK, averaging=0.9), folder=tmp_path)
    rows = predictions_of(tmp_path, "train")
    labels, found = (torch.tensor([[float(row[name])] for row in rows]) for name in ("label", "prediction"))
    assert torch.equal(labels.double(), sets[0].labels.float().double())
    assert outcome.training["mae"] == pytest.approx((found - labels).abs().mean().item(), rel=1e-5)
    predictions = predict(outcome.network, outcome.normalizer, sets[0])
    assert measure(predictions, sets[0].labels, False) == outcome.training


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


def test_a_checkpoint_of_other_labels_is_refused(sets, two_targets, tmp_path):
    quick_training(two_targets, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"data labels \['energy', 'gap'\], not \['label'\]"):
        quick_training(sets, resume=tmp_path / LAST)


@pytest.mark.parametrize("which", ["training", "validation"])
def test_a_checkpoint_of_another_split_is_refused(sets, tmp_path, which):
    quick_training(sets, folder=tmp_path)
    train_rows, valid_rows = sets[0].rows.clone(), sets[1].rows.clone()
    (train_rows if which == "training" else valid_rows)[0] = sets[2].rows[0]
    others = [replace(sets[0], rows=train_rows), replace(sets[1], rows=valid_rows)]
    with pytest.raises(CheckpointError, match=rf"data {which} set '\d+ crystals, digest"):
        quick_training(others, resume=tmp_path / LAST)


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 5.0), (2.0, 0.0)])
def test_labels_that_were_changed_since_are_refused(sets, tmp_path, factor, shift):
    quick_training(sets, folder=tmp_path)
    changed = replace(sets[0].graphs, labels=factor * sets[0].graphs.labels + shift)
    others = tuple(replace(crystals, graphs=changed) for crystals in sets)
    with pytest.raises(CheckpointError, match="data training set"):
        quick_training(others, resume=tmp_path / LAST)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_schedule_over_all_epochs_cannot_go_on_for_another_number(sets, tmp_path, schedule):
    settings = replace(QUICK, schedule=schedule)
    quick_training(sets, settings, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"planned for 4 epochs.* 6 are asked for: go on with epochs=4"):
        quick_training(sets, replace(settings, epochs=6), resume=tmp_path / LAST)


def test_a_checkpoint_without_a_schedule_is_refused(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    state = load_checkpoint(tmp_path / LAST)
    del state["schedule"]
    save_checkpoint(tmp_path / LAST, state)
    with pytest.raises(CheckpointError, match="written by another program or version"):
        quick_training(sets, resume=tmp_path / LAST)


def test_weights_alone_cannot_be_resumed_from(sets, tmp_path):
    quick_training(sets, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"holds weights alone; to go on, name a last\.pt"):
        quick_training(sets, resume=tmp_path / BEST)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / LAST
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"last\.pt is no checkpoint(: PyTorch did not|, or a damaged one)"
    ):
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
        ({"loss": "mae"}, "unknown loss 'mae'.*valid: mse, l1, huber"),
        ({"schedule": "cosin"}, r"did you mean 'cosine'\?"),
        ({"kernels": "fast"}, "unknown kernels 'fast'"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0; it must be above 0"),
        ({"averaging": 1.0}, "averaging is 1.0; it must be from 0"),
        ({"lr": -1.0}, "lr is -1.0; it must be above 0"),
        ({"mixed_precision": True}, "mixed_precision needs a GPU"),
        ({"cuda_graphs": True}, "cuda_graphs needs a GPU, and the device is the CPU: leave it out"),
    ],
)
def test_settings_that_cannot_be_are_refused(sets, wrong, message):
    with pytest.raises(ValueError, match=message):
        quick_training(sets, replace(QUICK, **wrong))


@using_kernels("torch")  # the stand-in for the recording sees no others
@pytest.mark.parametrize("optim", ["SGD", "Adam"])
def test_recorded_steps_train_as_ordinary_ones(sets, tmp_path, monkeypatch, optim):
    settings = replace(QUICK, optim=optim, lr=0.003, schedule="one-cycle", averaging=0.9, clip_norm=1.0)
    settings = replace(settings, epochs=5)

    def training(**options):
        return Training(
            SMALL | {"dropout": 0.0}, replace(settings, **options), *sets[:2], torch.device("cpu")
        )

    ordinary, begun, recorded = training(), training(), training(cuda_graphs=True)
    errors = [ordinary.run_epoch() for _ in range(5)]
    begun.run_epoch()  # the recording begins with a state that a checkpoint gave
    recorded.restore(_saved(tmp_path / LAST, begun))

    def state():
        moments = [value for one in recorded.optimizer.state.values() for value in one.values()]
        return [*recorded.network.state_dict().values(), *filter(torch.is_tensor, moments)]

    recorder = OperatorRecorder(state)
    monkeypatch.setattr(cuda_graphs, "CudaRecorder", lambda: recorder)
    assert [recorded.run_epoch() for _ in range(4)] == pytest.approx(errors[1:], rel=1e-3)
    assert recorder.recorded > 0
    rates = [[row["learning_rate"] for row in one.history] for one in (ordinary, recorded)]
    assert rates[0] == rates[1]
    begun.restore(
        _saved(tmp_path / "recorded.pt", recorded)
    )  # and an ordinary training goes on with its state
    assert begun.optimizer.param_groups[0]["lr"] == ordinary.optimizer.param_groups[0]["lr"]


def _saved(path, training):
    save_checkpoint(path, training.checkpoints().last)
    return path


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_asked_for_where_there_is_none_is_refused(sets):
    with pytest.raises(ValueError, match="torch finds 0 GPUs"):
        quick_training(sets, replace(QUICK, device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_step_does_not_wait_for_the_gpu(sets):
    settings = replace(QUICK, device="cuda", schedule="one-cycle", clip_norm=1.0, averaging=0.9)
    on_gpu = [crystals.to("cuda") for crystals in sets[:2]]
    training = Training(SMALL, settings, *on_gpu, torch.device("cuda"))
    batch = next(training.train_set.batches(8))
    training.step(batch)  # the first step compiles, which may wait
    training._after_step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.step(batch)
        training._after_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("options", [{}, {"mixed_precision": True}, {"cuda_graphs": True}], ids=str)
def test_training_on_a_gpu_learns(sets, options):
    settings = replace(QUICK, epochs=30, lr=0.02, device="cuda", **options)
    outcome = quick_training(sets, settings)
    assert next(outcome.network.parameters()).is_cuda
    guess = (sets[1].labels - sets[0].labels.mean()).abs().mean().item()
    assert outcome.validation["mae"] < 0.6 * guess
