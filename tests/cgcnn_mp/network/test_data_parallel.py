"""Several ranks train like one with the same batch size, and they start, stop, resume and fail together."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from datetime import timedelta

import pytest
import torch
from random_graphs import random_graphs, random_sets
from rank_processes import run_ranks

from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.model_run import prepare, run
from dh_project.cgcnn_mp.network.data_parallel import ALONE, met, own_device
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer
from dh_project.cgcnn_mp.training.checkpoint import load_checkpoint
from dh_project.cgcnn_mp.training.evaluation import predict
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.cgcnn_mp.training.shares import shared_batches

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SMALL = {"atom_fea_len": 8, "n_conv": 2, "h_fea_len": 8, "dropout": 0.0}
SETTINGS = Settings(epochs=4, batch_size=10, device="cpu")  # 36 crystals: the last batch has 6
POINT = {"lr": 0.02, "atom_fea_len": 8, "h_fea_len": 8, "n_conv": 1, "batch_size": 4}


def returned(answers):
    """Return the result of each rank, or raise the error of one of them."""
    for result, _ in answers:
        if isinstance(result, Exception):
            raise result
    return [result for result, _ in answers]


def make_network():
    torch.manual_seed(0)
    return CrystalGraphConvNet(92, count_gaussians(8.0), **SMALL)


def in_double(holder):
    values = {field.name: getattr(holder, field.name) for field in fields(holder)}
    floats = {n: v for n, v in values.items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    return replace(holder, **{name: value.double() for name, value in floats.items()})


def a_step(crystals, kernels, dtype):
    """Return the mean loss of one batch, its gradients, and the running statistics after it."""
    network = make_network().to(dtype)
    with met(CPU) as ranks, using_kernels(kernels):
        ((batch, share),) = shared_batches(random_graphs(), torch.arange(5, 5 + crystals), crystals, ranks)
        if dtype == torch.float64:
            batch = in_double(replace(batch, edges=in_double(batch.edges)))
        loss = share * (network(batch) - batch.labels.to(dtype)).square().mean()
        loss.backward()
        loss = ranks.add_gradients(network.parameters(), loss.detach())
    gradients = {f"gradient of {name}": value.grad for name, value in network.named_parameters()}
    return {
        name: value.numpy()
        for name, value in {"loss": loss, **gradients, **dict(network.named_buffers())}.items()
    }


@pytest.mark.parametrize(
    ("kernels", "dtype", "tolerance"),
    # in single precision: the rounding of sums as large as 1
    [("torch", torch.float64, 1e-12), ("torch", torch.float32, 3e-6), ("numba", torch.float32, 3e-6)],
    ids=["torch-float64", "torch-float32", "numba-float32"],
)
@pytest.mark.parametrize(
    ("crystals", "size"),
    [(10, 2), (10, 3), (3, 4), (1, 2)],
    ids=["even", "uneven", "fewer crystals than ranks", "one crystal"],
)
def test_a_step_is_that_of_one_rank(tmp_path, kernels, dtype, tolerance, crystals, size):
    expected = a_step(crystals, kernels, dtype)
    for found in returned(run_ranks(size, a_step, (crystals, kernels, dtype), tmp_path)):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name


def a_training(settings, architecture=SMALL, patience=timedelta(minutes=5), data_seed=0):
    """Train on random graphs and return the weights, and the errors of validation and test set."""
    with met(CPU, patience) as ranks:
        graphs = random_graphs(seed=data_seed * ranks.rank)
        outcome = train(*random_sets(graphs), architecture=architecture, settings=settings, ranks=ranks)
    weights = {name: value.numpy() for name, value in outcome.network.state_dict().items()}
    return weights, outcome.validation["mae"], outcome.test["mae"], outcome.best_epoch


def assert_close(found, expected, tolerance):
    """Compare weights, to a tolerance relative to the largest of each tensor."""
    for name, value in expected.items():
        size = max(float(abs(value).max()), 1e-3)
        assert float(abs(found[name] - value).max()) < tolerance * size, name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernels": "torch"},
        {"clip_norm": 0.1, "averaging": 0.9, "schedule": "cosine"},
        {"loss": "huber", "batch_size": 35},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [2, 3])
def test_a_training_is_that_of_one_rank(tmp_path, size, options):
    settings = replace(SETTINGS, **options)
    weights, *errors, best_epoch = a_training(settings)
    for found, *found_errors, found_best_epoch in returned(
        run_ranks(size, a_training, (settings,), tmp_path)
    ):
        assert_close(found, weights, 2e-5)
        assert found_errors == pytest.approx(errors, rel=1e-6)
        assert found_best_epoch == best_epoch


def test_adams_weights_are_those_of_one_rank_except_for_biases_without_effect(tmp_path):
    """The gradient of a bias before batch normalisation is only rounding, but Adam uses it as a gradient."""
    settings = replace(SETTINGS, optim="Adam")
    (expected, *_), ((found, *_), _) = (
        a_training(settings),
        returned(run_ranks(2, a_training, (settings,), tmp_path)),
    )
    idle = ("fc_full.bias", "running_mean")
    assert_close(found, {name: v for name, v in expected.items() if not name.endswith(idle)}, 1e-4)


def test_all_ranks_have_the_same_bits(tmp_path):
    settings = replace(SETTINGS, optim="Adam", averaging=0.9)
    (first, *errors), *others = returned(
        run_ranks(3, a_training, (settings, {**SMALL, "dropout": 0.3}), tmp_path)
    )
    for weights, *other_errors in others:
        assert all((weights[name] == value).all() for name, value in first.items())
        assert other_errors == errors


def predictions(crystals):
    with met(CPU) as ranks:
        part = CrystalSet(random_graphs(), torch.arange(crystals))
        return predict(make_network(), Normalizer(0.0, 1.0), part, batch_size=4, ranks=ranks).numpy()


@pytest.mark.parametrize("crystals", [1, 17])
def test_predictions_are_in_the_sets_order_in_every_rank(tmp_path, crystals):
    expected = predictions(crystals)
    for found in returned(run_ranks(3, predictions, (crystals,), tmp_path)):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.fixture
def quick(folder, tmp_path):
    """Return arguments of a run with twelve crystals, whose graphs are prepared."""
    arguments = {"data": str(folder), "epochs": 4, "device": "cpu", "cache_folder": str(tmp_path / "cache")}
    prepare(**arguments)
    return arguments


def a_run(arguments):
    return run(POINT, **arguments)


def test_the_first_rank_alone_writes_reports_and_records(quick, tmp_path):
    objective = run(POINT, **quick, folder=tmp_path / "alone")
    (first, told), (second, silent) = run_ranks(2, a_run, (quick,), tmp_path / "trial")
    assert first == second == pytest.approx(objective, rel=1e-6)
    assert [step for step, _ in told.reports] == [1, 2, 3, 4]
    assert told.facts["ranks"] == 2
    assert (silent.reports, silent.facts) == ([], {})
    files = {path.name for path in (tmp_path / "trial").iterdir() if path.is_file() and path.name[0] != "."}
    assert files == {path.name for path in (tmp_path / "alone").iterdir()}
    assert list((tmp_path / "trial/rank-1").iterdir()) == []


def test_the_first_ranks_answer_of_no_ends_all(quick, tmp_path):
    answers = run_ranks(2, a_run, (quick,), tmp_path / "trial", last_epoch=2)
    objective, _ = returned(answers)
    assert answers[0][1].facts["epochs"] == 2
    assert objective == max(value for _, value in answers[0][1].reports)


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 3)], ids=lambda size: f"{size} ranks")
def test_an_interrupted_trial_resumes_with_any_number_of_ranks(quick, tmp_path, before, after):
    uninterrupted = run(POINT, **quick, folder=tmp_path / "whole")
    returned(run_ranks(before, a_run, (quick,), tmp_path / "first", last_epoch=2))
    second = run_ranks(after, a_run, (quick,), tmp_path / "second", predecessors=[tmp_path / "first"])
    assert returned(second)[0] == pytest.approx(uninterrupted, rel=1e-6)
    assert [step for step, _ in second[0][1].reports] == [3, 4]
    whole, resumed = (load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "second"))
    assert_close(resumed["state_dict"], whole["state_dict"], 2e-5)


def a_run_with_dropout(arguments):
    return run(POINT | {"dropout": 0.5}, **arguments)


def test_with_dropout_it_goes_on_as_if_uninterrupted(quick, tmp_path):
    whole = run_ranks(2, a_run_with_dropout, (quick,), tmp_path / "whole")
    run_ranks(2, a_run_with_dropout, (quick,), tmp_path / "first", last_epoch=2)
    second = run_ranks(
        2, a_run_with_dropout, (quick,), tmp_path / "second", predecessors=[tmp_path / "first"]
    )
    assert returned(second) == returned(whole)


def a_run_twice(arguments):
    return [run(POINT, **arguments, seed=seed) for seed in (0, 1)]


def test_one_trial_may_train_several_times(quick, tmp_path):
    first, second = returned(run_ranks(2, a_run_twice, (quick,), tmp_path / "trial"))
    assert first == second
    assert first[0] != first[1]


def a_run_after_one_that_diverged(arguments):
    with pytest.raises(FloatingPointError):
        run(POINT | {"lr": 1e20}, **arguments)
    return run(POINT, **arguments)


def test_after_a_training_that_diverged_the_ranks_can_train_again(quick, tmp_path):
    first, second = returned(run_ranks(2, a_run_after_one_that_diverged, (quick,), tmp_path / "trial"))
    assert first == second == pytest.approx(run(POINT, **quick), rel=1e-6)


def a_training_that_one_rank_leaves(how, patience):
    """Train for a long time, during which the second rank fails, or is killed or stopped by the system."""
    if int(os.environ["RANK"]) == 1:
        if how == "fails":
            settings = replace(SETTINGS, lr=1e9, optim="SGD", epochs=10)
            with met(CPU):
                raise ValueError(f"this rank's own mistake, before {settings.epochs} epochs")
        with met(CPU) as ranks:
            ranks.of_first(None)
            os.kill(os.getpid(), signal.SIGKILL if how == "is killed" else signal.SIGSTOP)
    with met(CPU, timedelta(seconds=patience)) as ranks:
        if how != "fails":
            ranks.of_first(None)
        return train(
            *random_sets(), architecture=SMALL, settings=replace(SETTINGS, epochs=10**6), ranks=ranks
        )


@pytest.mark.parametrize(
    ("how", "patience"),
    [("fails", 300), ("is killed", 300), pytest.param("hangs", 5, marks=pytest.mark.slow)],
    ids=lambda value: str(value),
)
def test_if_one_rank_ends_the_others_end_too(tmp_path, how, patience):
    """They end within the time that ``run_ranks`` waits."""
    (error, _), *_ = run_ranks(2, a_training_that_one_rank_leaves, (how, patience), tmp_path, of=[0])
    assert isinstance(error, RuntimeError)
    assert "another rank of this training has ended or does not answer" in str(error)


def test_ranks_that_were_given_other_data_are_told(tmp_path):
    (_, _), (error, _) = run_ranks(2, a_training, (SETTINGS, SMALL, timedelta(minutes=5), 1), tmp_path)
    assert isinstance(error, ValueError)
    assert "rank 1 was given other" in str(error)
    assert "data" in str(error)


def test_recorded_steps_are_refused_for_several_ranks(quick, monkeypatch, tmp_path):
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for refused in (prepare, lambda **arguments: run(POINT, **arguments)):
        with pytest.raises(ValueError, match="cuda_graphs records the steps of one rank, and there are 2"):
            refused(**quick, cuda_graphs=True)


def test_a_process_with_a_launchers_variables_alone_is_one_rank(quick, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "2")
    with met(CPU) as ranks:
        assert ranks == ALONE


def test_ranks_that_see_several_gpus_have_one_each(monkeypatch):
    for name, value in (
        ("MASTER_ADDR", "localhost"),
        ("WORLD_SIZE", "8"),
        ("RANK", "6"),
        ("LOCAL_RANK", "2"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)  # there is no GPU in most places
    assert own_device(torch.device("cuda")) == torch.device("cuda", 2)
    assert own_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    assert own_device(CPU) == CPU


@pytest.mark.slow
def test_torchs_launcher_trains_outside_of_a_search(quick, tmp_path):
    words = [f"{name}={value}" for name, value in quick.items()]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    program = "dh_project.cgcnn_mp.default_config"
    lines = []
    for name, before in (("one", ["-m"]), ("two", launcher)):
        done = subprocess.run(
            [sys.executable, *before, program, *words, f"folder={tmp_path / name}"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines.append(len(done.stdout.splitlines()))
    assert lines[0] == lines[1]
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert two["validation"]["mae"] == pytest.approx(one["validation"]["mae"], rel=1e-6)
