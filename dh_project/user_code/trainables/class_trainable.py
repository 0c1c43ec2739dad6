"""A class trainable as a run function: ``setup``, ``step``, ``save`` and ``load``, as Ray Tune's classes have them.

::

    class Model:
        steps = 50

        def setup(self, point): ...          # run-kwargs that it names come as further arguments
        def step(self): ...                  # one epoch, say; returns the objective, or a dict of metrics
        def save(self, folder): ...          # into a folder that is empty
        def load(self, folder): ...          # what save left there; setup was called before
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
"""What each is called with; ``setup`` may name more, which run-kwargs give."""

CHECKPOINT = "checkpoint.tar"
"""What ``save`` left after a step, as one file, so that it is there whole or not at all."""

PROGRESS = ".progress.json"
"""In the checkpoint: after which step, with which metrics."""

OBJECTIVE = Metric("objective", "max")


def check_class(kind: type) -> None:
    """Check that a class is a class trainable.

    Raises:
        UserError: It lacks a method, or one takes other arguments; or it cannot be made without any.
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
    """Say whether a method is static, or of the class: its signature then has no ``self``."""
    return not inspect.isfunction(inspect.getattr_static(kind, name))


class ClassTrainable(Trainable):
    """Runs a class trainable: ``run(point, **run_kwargs)``.

    Each step is reported; the trial's folder gets a checkpoint as often as takes a twentieth of the time, and at the
    end, also where that comes early. Another attempt goes on from there. The objective is the last step's.

    Run-kwargs of its own, each of which may stand in the class instead, as an attribute: ``steps``, how many there
    are at most (a step whose metrics hold ``done: True`` is the last one, too); ``metric`` and ``mode``, which of the
    metrics is the objective, and whether it shall be large (``max``) or small (``min``). All others are ``setup``'s.

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
        """Check the run-kwargs that are its own.

        Raises:
            UserError: One is wrong, or the number of steps is nowhere said.
        """
        self._steps(run_kwargs)
        self._metric(run_kwargs)
        self.file_to_resume(run_kwargs)

    def __call__(self, point: Mapping[str, Any], **run_kwargs: Any) -> float:
        """Train a point, and return the objective of the last step."""
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
            goes_on = report(step, objective) and not metrics.get("done")
            checkpoints.save_if_due(step, metrics)
        checkpoints.save(step, metrics)
        facts = {name: value for name, value in metrics.items() if name not in ("objective", "done")}
        record(**facts, steps=step)
        return metric.objective(metrics, f"step {step}")

    def _is_of_setup(self, name: str) -> bool:
        """Say whether a run-kwarg is ``setup``'s; one that is both is given to both."""
        return name in self._named or (self._takes_any and name not in self.own_arguments)

    def _steps(self, run_kwargs: Mapping[str, Any]) -> int:
        steps = run_kwargs.get("steps")
        if steps is None:
            steps = getattr(self.kind, "steps", None)
        if steps is None:
            raise UserError(
                f"it is not said how many steps {self.kind.__name__} has: give --run-kwargs steps=50, or an "
                f"attribute of the class, steps = 50"
            )
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise UserError(f"steps={steps!r}: give a whole number from 1 on")
        return steps

    def _metric(self, run_kwargs: Mapping[str, Any]) -> Metric:
        """Return the metric; the class's mode is that of the class's metric alone."""
        name, mode = getattr(self.kind, "metric", None), getattr(self.kind, "mode", None)
        default = Metric.checked(name, mode, OBJECTIVE)
        return Metric.checked(run_kwargs.get("metric"), run_kwargs.get("mode"), default)


def _metrics(returned: Any) -> dict[str, Any]:
    """Return what a step returned as metrics: a number is the objective.

    Raises:
        UserError: It is neither a number nor a dict.
    """
    if isinstance(returned, Mapping):
        return dict(returned)
    if returned is None:
        raise UserError("step() returned nothing; it returns the objective, or a dict of metrics")
    return {"objective": returned}


class Checkpoints:
    """What a model saves into its trial's folder on the way; outside a search, nothing.

    Args:
        model: Has ``save`` and ``load``.
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
        """Let the model save into an empty folder, and keep that as one file; one step is saved once.

        Raises:
            OSError: The file cannot be written; its older version stays.
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
