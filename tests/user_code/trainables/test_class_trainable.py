import pytest

from dh_project.common.errors import UserError
from dh_project.user_code.loading import check_run_kwargs, load_run

X = {"x": 0.25}
"""Each step halves the distance: from 1, four of them lead to 1/16."""


@pytest.fixture
def model(samples, monkeypatch):
    """Return a function that gives one of the sample classes as a run function."""
    monkeypatch.syspath_prepend(samples)
    return lambda name: load_run(f"class_models.{name}")


def test_a_class_runs_as_a_function_does(model):
    assert model("Descent")(X) == -((1 / 16) ** 2)


def test_a_file_names_its_class_run(samples):
    assert load_run(str(samples / "class_models.py"))(X) == -((1 / 16) ** 2)


def test_each_step_is_reported_and_the_last_metrics_are_facts(model, attempt):
    told = attempt("attempt-1")
    model("Descent")(X)
    assert told.reports == [(step, -(0.5 ** (2 * step))) for step in range(1, 5)]
    assert told.facts == {"loss": (1 / 16) ** 2, "steps": 4}


def test_run_kwargs_are_those_of_setup_and_the_number_of_steps(model):
    assert model("Descent")(X, start=2.0, steps=1) == -1.0


def test_an_attempt_resumes_from_the_checkpoint_of_the_previous_one(model, attempt, tmp_path, monkeypatch):
    steps = tmp_path / "steps"
    monkeypatch.setenv("STEPS_FILE", str(steps))
    attempt("attempt-1", stop_at=3)
    model("Descent")(X)
    told = attempt("attempt-2", before="attempt-1")
    assert model("Descent")(X) == -((1 / 16) ** 2)
    assert [step for step, _ in told.reports] == [4]
    assert steps.read_text().split() == ["0.5", "0.25", "0.125", "0.0625"]


def test_resume_starts_from_the_checkpoint_of_another_run(model, attempt):
    first = attempt("attempt-1")
    model("Descent")(X)
    told = attempt("longer")
    assert model("Descent")(X, steps=6, resume=str(first.folder)) == -((1 / 64) ** 2)
    assert [step for step, _ in told.reports] == [5, 6]


def test_resume_from_a_missing_checkpoint_is_refused_before_any_trial(model):
    with pytest.raises(UserError, match="there is no checkpoint nowhere"):
        check_run_kwargs("class_models.Descent", model("Descent"), {"resume": "nowhere"}, ["x"])


def test_after_all_steps_another_attempt_keeps_the_checkpoint(model, attempt):
    for name, before in (("attempt-1", None), ("attempt-2", "attempt-1"), ("attempt-3", "attempt-2")):
        told = attempt(name, before=before)
        assert model("Descent")(X) == -((1 / 16) ** 2)
    assert told.reports == []


def test_nothing_but_the_checkpoint_is_left_in_the_folder(model, attempt):
    told = attempt("attempt-1")
    model("Descent")(X)
    assert [path.name for path in told.folder.iterdir()] == ["checkpoint.tar"]


def test_after_a_damaged_checkpoint_the_trial_starts_from_the_beginning(model, attempt):
    before = attempt("attempt-1", stop_at=3)
    model("Descent")(X)
    checkpoint = before.folder / "checkpoint.tar"
    checkpoint.write_bytes(checkpoint.read_bytes()[:700])
    told = attempt("attempt-2", before="attempt-1")
    assert model("Descent")(X) == -((1 / 16) ** 2)
    assert [step for step, _ in told.reports] == [1, 2, 3, 4]


def test_a_method_of_the_class_is_one(model, attempt):
    attempt("attempt-1")
    assert model("SavesByClass")(X) == -((1 / 16) ** 2)


def test_a_step_with_done_is_the_last(model, attempt):
    told = attempt("attempt-1")
    model("Finished")(X)
    assert [step for step, _ in told.reports] == [1, 2]
    after = attempt("attempt-2", before="attempt-1")
    model("Finished")(X)
    assert after.reports == []


def test_a_number_is_the_objective(model):
    assert model("Number")(X) == -((1 / 16) ** 2)


def test_the_class_can_name_a_metric_to_minimise(model):
    assert model("ByLoss")(X) == -((1 / 16) ** 2)


def test_a_setup_of_the_class_takes_run_kwargs_too(model):
    kind = model("SetUpByItsClass")
    check_run_kwargs("class_models.SetUpByItsClass", kind, {"start": 2.0})
    assert kind(X, start=2.0) == -((2 / 16) ** 2)


def test_a_metric_can_be_named_for_a_search(model):
    assert model("Descent")(X, metric="loss", mode="min") == -((1 / 16) ** 2)


def test_a_step_that_returns_nothing_says_so(model):
    with pytest.raises(UserError, match=r"step\(\) returned nothing"):
        model("Silent")(X)


def test_a_metric_that_a_step_lacks_is_named_with_those_it_has(model):
    with pytest.raises(UserError, match=r"no metric 'los' \(did you mean 'loss'\?\).*loss, objective"):
        model("Descent")(X, metric="los", mode="min")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "WithoutSave",
            r"--run class_models\.WithoutSave: the class WithoutSave has no save; a class to train has",
        ),
        (
            "LikeRays",
            "no save and no load;.*save_checkpoint and load_checkpoint are called save and load here",
        ),
        ("SetUpWithoutPoint", r"has setup\(self\), and it is called as setup\(self, point\): too many"),
        ("LoadsFromNowhere", r"has load\(self\), and it is called as load\(self, folder\): too many"),
        ("MadeOfAPoint", "cannot be made without arguments"),
    ],
)
def test_a_class_that_cannot_be_trained_is_refused(model, name, said):
    with pytest.raises(UserError, match=said):
        model(name)


@pytest.mark.parametrize(
    ("name", "run_kwargs", "said"),
    [
        ("Descent", {"steps": 0}, "steps=0: give a whole number"),
        ("Descent", {"metric": "loss"}, "mode=max or mode=min"),
        ("Descent", {"mode": "minimum"}, r"did you mean 'min'"),
        ("Descent", {"begin": 3}, "takes no such argument"),
        ("Endless", {}, "Endless has no number of steps"),
    ],
)
def test_wrong_run_kwargs_are_refused_before_any_trial(model, name, run_kwargs, said):
    with pytest.raises(UserError, match=said):
        check_run_kwargs(f"class_models.{name}", model(name), run_kwargs)


def test_a_trial_interrupted_by_its_driver_resumes_in_another_worker(attempts_of_a_worker):
    def interrupt(worker):
        worker.kill(0, 1, "paused", "time is up", patience=60.0)

    search = ("class_models.Descent", X, {"seconds": 0.2})
    *_, first = attempts_of_a_worker(*search, 1, order=interrupt)
    *reports, second = attempts_of_a_worker(*search, 2)
    assert (first["state"], second["state"]) == ("paused", "done")
    assert second["objective"] == -((1 / 16) ** 2)
    assert reports[0]["step"] > 1
