import csv
import math

import pytest
import torch

from dh_project.common.errors import UserError
from dh_project.trial import checkpoint_timer
from dh_project.user_code.loading import check_run_kwargs, load_run

pytestmark = pytest.mark.slow

POINT = {"units": 4, "lr": 0.02, "batch_size": 8}


@pytest.fixture
def model(samples, monkeypatch):
    """Return a function that gives one of the sample modules as a run function."""
    monkeypatch.syspath_prepend(samples)
    return lambda name: load_run(f"lightning_models.{name}")


def weights(folder, name="last.ckpt"):
    return torch.load(folder / name, weights_only=True)["state_dict"]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_point_and_run_kwargs_go_where_they_are_named(model):
    objective = model("Net")(POINT, datamodule="lightning_models.Data", epochs=1, dropout=0.0)
    assert objective < 0
    assert math.isfinite(objective)


def test_each_epoch_is_reported_and_the_best_one_is_the_objective(model, attempt):
    told = attempt("attempt-1")
    objective = model("Net")(POINT, datamodule="lightning_models.Data", epochs=4)
    steps, values = zip(*told.reports, strict=True)
    assert steps == (1, 2, 3, 4)
    assert objective == max(values)
    assert told.facts["best_epoch"] == 1 + values.index(objective)
    assert told.facts["val_loss"] == -objective
    assert told.facts["epochs"] == 4


def test_the_class_may_say_data_epochs_and_metric_itself(model, attempt):
    told = attempt("attempt-1")
    assert model("Complete")(POINT) == pytest.approx(0.02)
    assert len(told.reports) == 2


def test_a_stopped_training_that_is_resumed_equals_an_uninterrupted_one(model, attempt):
    run = model("Interrupted")
    whole = attempt("whole")
    run(POINT)
    first = attempt("attempt-1", stop_at=3)
    run(POINT)
    second = attempt("attempt-2", before="attempt-1")
    run(POINT)
    assert first.reports + second.reports == whole.reports
    assert second.facts == whole.facts
    assert_equal(weights(second.folder), weights(whole.folder))


def test_a_child_goes_on_from_its_parent_with_its_own_learning_rate(model, attempt):
    arguments = {"datamodule": "lightning_models.Data", "epochs": 4}
    attempt("parent", stop_at=2)
    model("Net")(POINT, **arguments)
    child = attempt("child", before="parent")
    model("Net")(POINT | {"lr": 0.01}, **arguments)
    assert [step for step, _ in child.reports] == [3, 4]
    optimizer = torch.load(child.folder / "last.ckpt", weights_only=True)["optimizer_states"][0]
    assert optimizer["param_groups"][0]["lr"] == pytest.approx(0.01 / 4)  # halved after epochs 2 and 4


def test_a_killed_attempt_is_resumed_from_its_last_epoch(model, attempt, monkeypatch):
    monkeypatch.setattr(checkpoint_timer, "SHARE", 1.0)  # otherwise such short epochs are not saved
    run = model("Interrupted")
    whole = attempt("whole")
    run(POINT)
    first = attempt("attempt-1")
    monkeypatch.setenv("INTERRUPT", "1")
    with pytest.raises(InterruptedError):
        run(POINT)
    monkeypatch.delenv("INTERRUPT")
    second = attempt("attempt-2", before="attempt-1")
    run(POINT)
    assert first.reports + second.reports == whole.reports
    assert_equal(weights(second.folder), weights(whole.folder))


def test_resume_starts_from_the_checkpoint_of_another_run(model, attempt):
    first = attempt("attempt-1")
    model("Complete")(POINT)
    told = attempt("longer")
    model("Complete")(POINT, epochs=4, resume=str(first.folder))
    assert [step for step, _ in told.reports] == [3, 4]
    assert (told.folder / "best.ckpt").exists()


def test_resume_from_a_missing_checkpoint_is_refused_before_any_trial(model):
    with pytest.raises(UserError, match="there is no checkpoint nowhere"):
        check_run_kwargs("lightning_models.Complete", model("Complete"), {"resume": "nowhere"}, list(POINT))


def test_after_all_epochs_another_attempt_keeps_the_files(model, attempt):
    first = attempt("attempt-1")
    objective = model("Complete")(POINT)
    second = attempt("attempt-2", before="attempt-1")
    assert model("Complete")(POINT) == objective
    assert second.reports == []
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(weights(second.folder, name), weights(first.folder, name))


def test_after_an_unsafe_checkpoint_the_trial_starts_from_the_beginning(model, attempt):
    first = attempt("attempt-1", stop_at=1)
    model("Complete")(POINT)
    (first.folder / "last.ckpt").write_bytes(b"torn")
    second = attempt("attempt-2", before="attempt-1")
    model("Complete")(POINT)
    assert [step for step, _ in second.reports] == [1, 2]


def test_another_run_in_the_same_folder_starts_from_the_beginning(model, attempt):
    told = attempt("attempt-1")
    model("Net")(POINT, datamodule="lightning_models.Data", epochs=2)
    model("Net")(POINT | {"units": 8}, datamodule="lightning_models.Data", epochs=1)
    assert [step for step, _ in told.reports] == [1, 2, 1]


def test_the_history_is_a_table_in_the_folder(model, attempt):
    told = attempt("attempt-1")
    model("Complete")(POINT)
    rows = list(csv.DictReader((told.folder / "lightning/metrics.csv").open()))
    assert [row["epoch"] for row in rows if row["val_loss"]] == ["0", "1"]


def test_a_module_without_validation_reports_each_epoch(model, attempt):
    told = attempt("attempt-1")
    model("WithoutValidation")(POINT)
    assert [step for step, _ in told.reports] == [1, 2]


def test_a_module_that_diverges_has_no_number(model):
    assert math.isnan(model("Diverging")(POINT))


def test_the_seed_decides_the_result(model):
    run = model("Complete")
    first, same, other = (
        run(POINT, metric="val_loss", mode="min", epochs=1, seed=seed) for seed in (1, 1, 2)
    )
    assert first == same != other


def test_a_search_under_slurm_trains_one_process_a_trial(model, monkeypatch):
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "search", "SLURM_PROCID": "0"}.items():
        monkeypatch.setenv(name, value)
    assert math.isfinite(model("Complete")(POINT))


def test_a_metric_that_is_not_logged_is_refused_with_the_logged_ones(model):
    with pytest.raises(UserError, match=r"no metric 'val_los' \(did you mean 'val_loss'\?\)"):
        model("Complete")(POINT, metric="val_los", mode="min")


@pytest.mark.parametrize(
    ("name", "run_kwargs", "said"),
    [
        ("Net", {"datamodule": "lightning_models.Dat"}, "did you mean 'Data'"),
        ("Net", {"datamodule": "lightning_models.Net"}, "no class derived from LightningDataModule"),
        ("Net", {}, "Net has no data: give --run-kwargs datamodule="),
        ("WithOwnData", {}, "WithOwnData take no 'batch_size'"),
        ("Complete", {"epochs": 0}, "epochs=0: give a whole number"),
        ("Complete", {"droput": 0.5}, r"no 'droput' \(did you mean 'dropout'\?\)"),
        ("Complete", {"metric": "val_r2"}, "mode=max or mode=min"),
        ("Complete", {"trainer": {"precison": 16}}, "did you mean 'precision'"),
        ("Complete", {"trainer": {"max_epochs": 3}}, "max_epochs follows from the search"),
        ("Complete", {"trainer": 3}, "give arguments of the Trainer"),
    ],
)
def test_wrong_run_kwargs_are_refused_before_any_trial(model, name, run_kwargs, said):
    with pytest.raises(UserError, match=said):
        check_run_kwargs(f"lightning_models.{name}", model(name), run_kwargs, list(POINT))


def test_a_constructor_whose_argument_nobody_gives_is_refused_before_any_trial(model):
    with pytest.raises(UserError, match="Complete needs 'units', which is no hyperparameter"):
        check_run_kwargs("lightning_models.Complete", model("Complete"), {}, ["lr"])


def test_a_worker_resumes_an_interrupted_training(attempts_of_a_worker):
    def interrupt(worker):
        worker.kill(0, 1, "paused", "time is up", patience=60.0)

    search = ("lightning_models.Complete", POINT, {"epochs": 60, "metric": "val_loss", "mode": "min"})
    *_, first = attempts_of_a_worker(*search, 1, order=interrupt)
    *reports, second = attempts_of_a_worker(*search, 2)
    assert (first["state"], second["state"]) == ("paused", "done")
    assert reports[0]["step"] > 1
    assert reports[-1]["step"] == 60


def test_a_sigterm_from_a_batch_system_is_no_failure(attempts_of_a_worker):
    *_, end = attempts_of_a_worker("lightning_models.Terminated", POINT, {}, 1)
    assert (end["state"], end["reason"]) == ("lost", "ended by a SIGTERM from outside")
