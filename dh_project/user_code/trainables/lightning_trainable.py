"""A LightningModule as a run function: made of the point, trained by Lightning's Trainer, each epoch reported."""

from __future__ import annotations

import inspect
import logging
import math
import os
import signal
from collections.abc import Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dh_project.common.errors import UserError, did_you_mean
from dh_project.trial.ranks import world_size
from dh_project.trial.reporting import previous_folder, record, trial_folder
from dh_project.user_code.importing import load_attribute
from dh_project.user_code.trainables.base import Trainable
from dh_project.user_code.trainables.lightning_class import is_data_module
from dh_project.user_code.trainables.metric import Metric

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

VAL_LOSS = Metric("val_loss", "min")
EPOCHS = 30

OURS = ("max_epochs", "default_root_dir", "callbacks", "devices", "num_nodes", "strategy", "plugins")
"""Arguments of the Trainer that follow from the search and its trial."""


class LightningTrainable(Trainable):
    """Runs a LightningModule: ``run(point, **run_kwargs)``.

    The module is made of those hyperparameters that its constructor names, and so is the data module; run-kwargs fill
    the rest. Each epoch that was validated is reported. The trial's folder gets ``best.ckpt`` and ``last.ckpt``, and
    another attempt goes on from there. The objective is the best epoch's.

    Run-kwargs of its own, of which the first four may stand in the class, as attributes: ``datamodule``, where a
    LightningDataModule stands (``package.module.Name``), if the module does not bring its data itself; ``epochs``
    (30); ``metric`` and ``mode``, a metric that the module logs, and whether it shall be large (``max``) or small
    (``min``), by default ``val_loss``, small; ``seed`` (0); ``trainer``, further arguments of the Trainer.

    Args:
        kind: The class.

    Raises:
        UserError: It is derived from the classes of the distribution ``pytorch_lightning``.
    """

    own_arguments = ("datamodule", "epochs", "metric", "mode", "resume", "seed", "trainer")
    checkpoint = "last.ckpt"

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        homes = {base.__module__.partition(".")[0] for base in kind.__mro__}
        if "lightning" not in homes:
            raise UserError(
                f"{kind.__name__} is derived from pytorch_lightning's LightningModule; import that from "
                f"lightning.pytorch, where it has moved"
            )
        self.__signature__ = self._signature([Parameter("constants", Parameter.VAR_KEYWORD)])

    def check(self, run_kwargs: Mapping[str, Any], names: Sequence[str]) -> None:
        """Check the run-kwargs, that there are data, and that module or data module takes each hyperparameter.

        Raises:
            UserError: One is wrong, or is taken by neither; or nothing brings data.
        """
        from lightning.pytorch import LightningModule

        settings = self._settings(run_kwargs)
        self.file_to_resume(run_kwargs)
        if len(settings.parts) == 1 and self.kind.train_dataloader is LightningModule.train_dataloader:  # type: ignore[attr-defined]
            raise UserError(
                f"{self.kind.__name__} has no data: give --run-kwargs datamodule=package.module.Name, or write a "
                f"train_dataloader"
            )
        constants = self.of_prepare(run_kwargs)
        for name in (*constants, *names):
            self._check_taken(name, settings.parts)
        for part in settings.parts:
            for name, parameter in _parameters(part).items():
                is_given = name in constants or name in names or parameter.default is not parameter.empty
                if names and not is_given:
                    raise UserError(
                        f"{part.__name__} needs {name!r}, which is no hyperparameter: give --run-kwargs {name}=…"
                    )

    def __call__(self, point: Mapping[str, Any], **run_kwargs: Any) -> float:
        """Train a point, and return the objective of its best epoch."""
        from lightning.pytorch import seed_everything
        from lightning.pytorch.utilities.exceptions import SIGTERMException

        from dh_project.user_code.trainables.lightning_callback import BEST, LAST, Reporting

        if world_size() > 1:
            raise UserError(
                "a Lightning module is trained by one process a trial; leave --ranks-per-trial out"
            )
        settings = self._settings(run_kwargs)
        values = {**self.of_prepare(run_kwargs), **point}
        for name in values:
            self._check_taken(name, settings.parts)
        seed_everything(settings.seed, verbose=False)
        module, *data = [part(**_taken(part, values)) for part in settings.parts]
        folder = trial_folder()
        reporting = Reporting(settings.metric, folder)
        resume = self.file_to_resume(run_kwargs)
        best_before = resume.parent if resume is not None and (resume.parent / BEST).is_file() else None
        reporting.take_over(BEST, previous_folder(holding=BEST) or best_before)
        reporting.take_over(LAST, previous_folder(holding=LAST))
        trainer = _trainer(settings, folder, reporting)
        checkpoint = reporting.to_go_on_from() or resume
        data_module = data[0] if data else None
        try:
            trainer.fit(module, datamodule=data_module, ckpt_path=checkpoint, weights_only=True)
        except SIGTERMException:
            # Lightning's word for it is an exit, which would make it the trial's own fault
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        record(
            **reporting.best_metrics,
            best_epoch=reporting.best_epoch,
            epochs=trainer.current_epoch,
            seed=settings.seed,
            device=str(trainer.strategy.root_device),
        )
        return reporting.best if reporting.best is not None else math.nan

    def _settings(self, run_kwargs: Mapping[str, Any]) -> Settings:
        """Return the adapter's own run-kwargs, checked."""
        given = {name: run_kwargs.get(name) for name in self.own_arguments}
        of_class = {
            name: getattr(self.kind, name, None) for name in ("datamodule", "epochs", "metric", "mode")
        }
        default = Metric.checked(of_class["metric"], of_class["mode"], VAL_LOSS)
        data = _data_module(given["datamodule"] or of_class["datamodule"])
        return Settings(
            parts=(self.kind,) if data is None else (self.kind, data),
            epochs=_whole("epochs", _first(given["epochs"], of_class["epochs"], EPOCHS), least=1),
            metric=Metric.checked(given["metric"], given["mode"], default),
            seed=_whole("seed", _first(given["seed"], 0), least=0),
            trainer=_checked_options(given["trainer"]),
        )

    def _check_taken(self, name: str, parts: Sequence[type]) -> None:
        known = [known for part in parts for known in _parameters(part)]
        if name not in known and not any(map(_takes_any, parts)):
            of = " and ".join(part.__name__ for part in parts)
            raise UserError(
                f"{of} take no {name!r}{did_you_mean(name, known)}; their constructors name: "
                f"{', '.join(known) or 'nothing'}"
            )


class Settings(NamedTuple):
    """The adapter's own run-kwargs.

    Attributes:
        parts: The module's class, and the data module's where there is one.
        epochs: At most.
        metric: Which is the objective.
        seed: Of everything.
        trainer: Further arguments of the Trainer.
    """

    parts: tuple[type, ...]
    epochs: int
    metric: Metric
    seed: int
    trainer: dict[str, Any]


def _trainer(settings: Settings, folder: Path | None, reporting: Any) -> Trainer:
    """Return a Trainer of one process, whatever launcher is around it, that writes nowhere but in the folder."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import CSVLogger
    from lightning.pytorch.plugins.environments import LightningEnvironment

    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.WARNING)  # a trial's log is no place for tips
    quiet: dict[str, Any] = {
        "logger": CSVLogger(folder, name="lightning", version="") if folder is not None else False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return Trainer(
        **{**quiet, **settings.trainer},
        max_epochs=settings.epochs,
        default_root_dir=folder,
        callbacks=[reporting],
        devices=1,
        # else a batch job's Slurm, or MPI, is taken for a launcher of its ranks
        plugins=[LightningEnvironment()],
    )


def _data_module(named: Any) -> type | None:
    """Return the data module's class, from its name or as it is.

    Raises:
        UserError: There is none of this name.
    """
    if named is None:
        return None
    found = load_attribute(named, "DataModule") if isinstance(named, str) else named
    if not is_data_module(found):
        raise UserError(f"datamodule={named}: this is no class derived from LightningDataModule")
    return found


def _checked_options(options: Any) -> dict[str, Any]:
    """Return further arguments of the Trainer.

    Raises:
        UserError: They are no mapping, or one is unknown or not the user's to set.
    """
    from lightning.pytorch import Trainer

    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise UserError(
            f"trainer={options!r}: give arguments of the Trainer, as in trainer='{{precision: 16-mixed}}'"
        )
    valid = [name for name in list(inspect.signature(Trainer).parameters) if name not in OURS]
    for name in options:
        if name in OURS:
            raise UserError(f"trainer: {name} follows from the search and its trial; leave it out")
        if name not in valid:
            raise UserError(f"trainer: Lightning's Trainer takes no {name!r}{did_you_mean(str(name), valid)}")
    return dict(options)


def _parameters(kind: type) -> dict[str, Parameter]:
    """Return what a class's constructor takes by name."""
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {name: p for name, p in inspect.signature(kind).parameters.items() if p.kind in by_name}


def _takes_any(kind: type) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values())


def _taken(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that a class's constructor takes."""
    return dict(values) if _takes_any(kind) else {n: v for n, v in values.items() if n in _parameters(kind)}


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name}={value!r}: give a whole number from {least} on")
    return value
