"""Running a LightningModule as a run function, with Lightning's Trainer."""

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
"""Arguments of the Trainer that are set by this adapter and not by the user."""


class LightningTrainable(Trainable):
    """Runs a LightningModule: ``run(point, **run_kwargs)``.

    Hyperparameters and run-kwargs are passed to the constructors of the module and of the data module, by the names
    of their arguments. Each validated epoch is reported. Checkpoints ``best.ckpt`` and ``last.ckpt`` go to the folder
    of the trial, and another attempt resumes from the last one. The objective is that of the best epoch.

    These run-kwargs belong to the adapter. The first three lines can also be attributes of the class:

    - ``datamodule``: a LightningDataModule (``package.module.Name``), unless the module has its own data.
    - ``epochs``: number of epochs (30).
    - ``metric``, ``mode``: the logged metric that is the objective; it is maximised (``max``) or minimised (``min``).
      The default is ``val_loss``, minimised.
    - ``resume``: the checkpoint to start from, as a path or ``SEARCH:TRIAL``.
    - ``seed``: seed of all random numbers (0).
    - ``trainer``: further arguments of the Trainer.

    Args:
        kind: The class.

    Raises:
        UserError: The class is derived from the package ``pytorch_lightning`` instead of ``lightning``.
    """

    own_arguments = ("datamodule", "epochs", "metric", "mode", "resume", "seed", "trainer")
    checkpoint = "last.ckpt"
    takes_ranks = False

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        homes = {base.__module__.partition(".")[0] for base in kind.__mro__}
        if "lightning" not in homes:
            raise UserError(
                f"{kind.__name__} is derived from pytorch_lightning's LightningModule; import that from "
                f"lightning.pytorch instead"
            )
        self.__signature__ = self._signature([Parameter("constants", Parameter.VAR_KEYWORD)])

    def check(self, run_kwargs: Mapping[str, Any], names: Sequence[str]) -> None:
        """Check the run-kwargs, that there is data, and that a constructor has each hyperparameter.

        Raises:
            UserError: A run-kwarg is wrong, no constructor has a name, or there is no data.
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
        """Train a point and return the objective of its best epoch."""
        from lightning.pytorch import seed_everything
        from lightning.pytorch.utilities.exceptions import SIGTERMException

        from dh_project.user_code.trainables.lightning_callback import BEST, LAST, Reporting

        self.check_ranks(world_size())
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
            # Lightning turns the signal into an exit, which would count as a failure of the trial
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
        """Return the run-kwargs of the adapter, checked."""
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
            seed=_whole("seed", _first(given["seed"], self.seed), least=0),
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
    """The run-kwargs of the adapter.

    Attributes:
        parts: The class of the module, and that of the data module if there is one.
        epochs: Number of epochs.
        metric: The metric that is the objective.
        seed: Seed of all random numbers.
        trainer: Further arguments of the Trainer.
    """

    parts: tuple[type, ...]
    epochs: int
    metric: Metric
    seed: int
    trainer: dict[str, Any]


def _trainer(settings: Settings, folder: Path | None, reporting: Any) -> Trainer:
    """Return a Trainer that uses one process and writes only into the folder."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import CSVLogger
    from lightning.pytorch.plugins.environments import LightningEnvironment

    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(
            logging.WARNING
        )  # Lightning's tips do not belong in the log of a trial
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
        # otherwise Lightning takes the Slurm or MPI of a batch job for its own launcher
        plugins=[LightningEnvironment()],
    )


def _data_module(named: Any) -> type | None:
    """Return the class of the data module, given by name or as a class.

    Raises:
        UserError: There is no such class.
    """
    if named is None:
        return None
    found = load_attribute(named, "DataModule") if isinstance(named, str) else named
    if not is_data_module(found):
        raise UserError(f"datamodule={named}: this is no class derived from LightningDataModule")
    return found


def _checked_options(options: Any) -> dict[str, Any]:
    """Return the further arguments of the Trainer.

    Raises:
        UserError: They are no mapping, or one of them is unknown or set by this adapter.
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
    """Return the named parameters of the constructor of a class."""
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {name: p for name, p in inspect.signature(kind).parameters.items() if p.kind in by_name}


def _takes_any(kind: type) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values())


def _taken(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the constructor of a class takes."""
    return dict(values) if _takes_any(kind) else {n: v for n, v in values.items() if n in _parameters(kind)}


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name}={value!r}: give a whole number from {least} on")
    return value
