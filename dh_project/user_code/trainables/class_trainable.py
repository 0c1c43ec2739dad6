"""Running a class with ``setup``, ``step``, ``save`` and ``load`` as a run function, as Ray Tune does.

::

    class Model:
        steps = 50

        def setup(self, point): ...          # further arguments are run-kwargs
        def step(self): ...                  # for example one epoch; returns the objective or a dict of metrics
        def save(self, folder): ...          # writes files into an empty folder
        def load(self, folder): ...          # reads these files; setup was called before
"""

from __future__ import annotations

import inspect
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.common.files import replacing
from dh_project.trial.checkpoint_timer import CheckpointTimer
from dh_project.trial.reporting import previous_folder, record, report, trial_folder
from dh_project.user_code.trainables.base import Trainable
from dh_project.user_code.trainables.metric import Metric

METHODS = {
    "setup": ("self", "point"),
    "step": ("self",),
    "save": ("self", "folder"),
    "load": ("self", "folder"),
}
"""Methods and their arguments; ``setup`` can have more arguments, which are run-kwargs."""

CHECKPOINT = "checkpoint.tar"
"""File with everything that ``save`` wrote, as one archive that is replaced atomically."""

PROGRESS = ".progress.json"
"""File in the checkpoint with the number of the step and its metrics."""

OBJECTIVE = Metric("objective", "max")


def check_class(kind: type) -> None:
    """Check that a class has the four methods.

    Raises:
        UserError: A method is missing or has other arguments, or the constructor has required arguments.
    """
    missing = [name for name in METHODS if not callable(getattr(kind, name, None))]
    if missing:
        rays = [name for name in ("save_checkpoint", "load_checkpoint") if hasattr(kind, name)]
        hint = f"; Ray Tune's {' and '.join(rays)} are called save and load here" if rays else ""
        raise UserError(
            f"the class {kind.__name__} has no {' and no '.join(missing)}; a class to train has setup(self, point), "
            f"step(self), save(self, folder) and load(self, folder){hint}"
        )
    for name, arguments in METHODS.items():
        signature = inspect.signature(getattr(kind, name))
        try:
            bind = signature.bind_partial if name == "setup" else signature.bind
            bind(*arguments[_is_bound(kind, name) :])
        except TypeError as error:
            raise UserError(
                f"the class {kind.__name__} has {name}{signature}, and it is called as "
                f"{name}({', '.join(arguments)}): {error}"
            ) from None
    try:
        inspect.signature(kind).bind()
    except (TypeError, ValueError):
        raise UserError(
            f"the class {kind.__name__} cannot be made without arguments; take them in setup(self, point, …)"
        ) from None


def _is_bound(kind: type, name: str) -> bool:
    """Return whether a method is static or a class method, so that its signature has no ``self``."""
    return not inspect.isfunction(inspect.getattr_static(kind, name))


class ClassTrainable(Trainable):
    """Runs a class with ``setup``, ``step``, ``save`` and ``load``: ``run(point, **run_kwargs)``.

    Each step is reported. Checkpoints go to the folder of the trial, at the end and in between as long as saving
    takes at most 5 % of the time; another attempt resumes from the last one. The objective is that of the last step.

    These run-kwargs belong to the adapter. The first three can also be attributes of the class:

    - ``steps``: the largest number of steps. A step with the metric ``done: True`` also ends the trial.
    - ``metric``, ``mode``: the metric that is the objective; it is maximised (``max``) or minimised (``min``).
    - ``resume``: the checkpoint to start from, as a path or ``SEARCH:TRIAL``.

    All other run-kwargs are arguments of ``setup``.

    Args:
        kind: The class.
    """

    own_arguments = ("steps", "metric", "mode", "resume")
    checkpoint = CHECKPOINT

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        setup = list(inspect.signature(kind.setup).parameters.values())  # type: ignore[attr-defined]
        setups = setup[len(METHODS["setup"]) - _is_bound(kind, "setup") :]
        self._takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in setups)
        self._named = {parameter.name for parameter in setups if parameter.kind is not parameter.VAR_KEYWORD}
        self.__signature__ = self._signature(setups)

    def check(self, run_kwargs: Mapping[str, Any], names: Sequence[str]) -> None:
        """Check the run-kwargs of the adapter.

        Raises:
            UserError: One of them is wrong, or the number of steps is not given.
        """
        self._steps(run_kwargs)
        self._metric(run_kwargs)
        self.file_to_resume(run_kwargs)

    def __call__(self, point: Mapping[str, Any], **run_kwargs: Any) -> float:
        """Train a point and return the objective of the last step."""
        steps, metric = self._steps(run_kwargs), self._metric(run_kwargs)
        constants = {name: value for name, value in run_kwargs.items() if self._is_of_setup(name)}
        model: Any = self.kind()
        model.setup(dict(point), **constants)
        checkpoints = Checkpoints(model)
        step, metrics = checkpoints.load(self.file_to_resume(run_kwargs))
        goes_on = not metrics.get("done")
        while goes_on and step < steps:
            step += 1
            metrics = _metrics(model.step())
            objective = metric.objective(metrics, f"step {step}")
            record(**_facts(metrics), steps=step)
            goes_on = report(step, objective, of=steps) and not metrics.get("done")
            checkpoints.save_if_due(step, metrics)
        checkpoints.save(step, metrics)
        record(**_facts(metrics), steps=step)
        return metric.objective(metrics, f"step {step}")

    def _is_of_setup(self, name: str) -> bool:
        """Return whether a run-kwarg is an argument of ``setup``, which may also be one of the adapter."""
        return name in self._named or (self._takes_any and name not in self.own_arguments)

    def _steps(self, run_kwargs: Mapping[str, Any]) -> int:
        steps = run_kwargs.get("steps")
        if steps is None:
            steps = getattr(self.kind, "steps", None)
        if steps is None:
            raise UserError(
                f"{self.kind.__name__} has no number of steps: give --run-kwargs steps=50, or an attribute of the "
                f"class, steps = 50"
            )
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise UserError(f"steps={steps!r}: give a whole number from 1 on")
        return steps

    def _metric(self, run_kwargs: Mapping[str, Any]) -> Metric:
        """Return the metric; the mode in the class applies only to the metric in the class."""
        name, mode = getattr(self.kind, "metric", None), getattr(self.kind, "mode", None)
        default = Metric.checked(name, mode, OBJECTIVE)
        return Metric.checked(run_kwargs.get("metric"), run_kwargs.get("mode"), default)


def _facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics that are recorded."""
    return {name: value for name, value in metrics.items() if name not in ("objective", "done")}


def _metrics(returned: Any) -> dict[str, Any]:
    """Return the metrics that a step returned; a single number is the objective.

    Raises:
        UserError: The step returned None.
    """
    if isinstance(returned, Mapping):
        return dict(returned)
    if returned is None:
        raise UserError("step() returned nothing; it returns the objective, or a dict of metrics")
    return {"objective": returned}


class Checkpoints:
    """Saves and loads the checkpoints of a model in the folder of its trial; without a folder it saves nothing.

    Args:
        model: An object with ``save`` and ``load``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._folder = trial_folder()
        self._saved, self._timer = 0, CheckpointTimer()

    def load(self, resume: Path | None) -> tuple[int, dict[str, Any]]:
        """Load the checkpoint of the previous attempt into the model, else the one to resume from.

        Args:
            resume: The checkpoint to resume from if no attempt before this one left any; None: begin at step 0, and
                remove the checkpoint of an older run from the folder.

        Returns:
            The step of the checkpoint and the metrics of that step; 0 and no metrics if there is no checkpoint.
        """
        before = previous_folder(holding=CHECKPOINT)
        path = before / CHECKPOINT if before is not None else resume
        if path is None:
            if self._folder is not None:
                (self._folder / CHECKPOINT).unlink(missing_ok=True)
            return 0, {}
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as name:
            progress = Path(name) / PROGRESS
            try:
                with tarfile.open(path) as archive:
                    archive.extractall(name, filter="data")
                done: dict[str, Any] = json.loads(progress.read_text(encoding="utf-8"))
            except (tarfile.TarError, FileNotFoundError, ValueError) as error:  # it is damaged
                if before is None:
                    raise UserError(f"resume: {path} is no checkpoint of a class: {error}") from None
                print(f"{path} cannot be read; the trial starts from the beginning: {error}")
                return 0, {}
            progress.unlink()
            self._model.load(Path(name))
        return done["step"], done["metrics"]

    def save(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Save the model into an archive, unless this step is already saved.

        Raises:
            OSError: The file cannot be written; its older version is kept.
        """
        if self._folder is None or step == self._saved:
            return
        prefix = ".checkpoint-"
        with self._timer.writing(), tempfile.TemporaryDirectory(prefix=prefix, dir=self._folder) as name:
            self._model.save(Path(name))
            done = {"step": step, "metrics": dict(metrics)}
            (Path(name) / PROGRESS).write_text(json.dumps(done, default=float), encoding="utf-8")
            with replacing(self._folder / CHECKPOINT) as aside, tarfile.open(aside, "w") as archive:
                archive.add(name, arcname=".")
        self._saved = step

    def save_if_due(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Save if a checkpoint is due (:class:`~dh_project.trial.checkpoint_timer.CheckpointTimer`)."""
        if self._timer.is_due():
            self.save(step, metrics)
