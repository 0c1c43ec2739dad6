"""``SearchSettings``: everything that defines a search, in one frozen dataclass.

The command line, ``dh.search``, a sweep file, a batch script and a Balsam job all build one and pass it on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path, PurePath
from typing import Annotated, Any, get_type_hints

from pydantic import AllowInfNan, Field, Strict, TypeAdapter, ValidationError

from dh_project.common.errors import UserError, one_line, unknown
from dh_project.evaluators import evaluator_name
from dh_project.evaluators.settings import check_names
from dh_project.hps.criteria import criteria_of
from dh_project.hps.searchers import check_searcher
from dh_project.trial.shape import TrialShape

Whole = Annotated[int, Strict(), Field(ge=1)]
Natural = Annotated[int, Strict(), Field(ge=0)]
Amount = Annotated[float, Strict(), Field(gt=0, lt=1e12)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Text = Annotated[str, Strict()]


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Everything that defines a search.

    Two searches are the same search if ``problem``, ``run``, ``run_kwargs`` and ``seed`` agree. The other settings
    may change between the sessions of one search.

    Attributes:
        problem: The space: an ``HpProblem``, an import path (``package.module.Problem``) or a file (``problem.py``).
        run: The run function: a function, a class, an import path (``package.module.run``) or a file (``run.py``,
            ``run.py:run``).
        run_kwargs: Constant keyword arguments of the run function: numbers, texts, paths, lists and tables, which the
            journal can hold. Paths become texts, and tuples become lists.
        folder: Folder for the journal, the results and the trials.
        seed: Seed of the proposals. None takes the seed of the earlier sessions in the folder, or 42.
        searcher: Method that proposes points: ``ambs`` or ``random``.
        searcher_settings: Settings of the searcher by name (``AMBSSettings``).
        warm_start: ``results.csv`` files of other searches to learn from.
        stopper: Rule that stops or parks trials: ``asha``, ``median``, ``none``, ... or the import path of your own.
            None takes that of the search's first session; or else ``asha`` for a search by ``ambs`` of a run function
            that resumes (``dh.resumable``), and none for others.
        stopper_settings: Settings of the stopper by name.
        evaluator: Method that runs trials on workers: ``process``, ``ray``, ``mpi`` or ``balsam``.
        evaluator_settings: Settings of the evaluator by name (``EvaluatorSettings``).
        num_workers: Number of trials at a time. None uses all GPUs, or all cores.
        trial: Processes, cores, GPUs and nodes of one trial: a ``TrialShape``, or its fields by name.
        scratch: Folder on each node's own disk for the files of running trials. None for none.
        max_evals: Number of points in all, over all sessions. None for no limit.
        replicates: Number of trials of each point, with different seeds. Their mean counts.
        stop: What ends a trial: values to reach by name, ``{"step": 30, "val_mae": 0.1}``. A name is ``step`` (also
            ``training_iteration``), ``objective``, or a fact that the trial records (``dh.record``) before a report.
            If it does not tell whether the fact is minimised, it ends with ``<=`` or ``>=``.
        target: Objective at which the search ends: a trial that reports it returns, and the others are interrupted.
            None for none.
        patience_epochs: Number of steps that all trials together report without a better objective, after which the
            search ends. None for no limit.
        max_epochs_total: Number of steps that all trials together report, over all sessions. None for no limit.
        timeout: Seconds of search time, over all sessions. None for no limit.
        walltime: Time limit of the job around this process in seconds, counted from the start of the process.
        margin: Seconds before the end of the job at which running trials are interrupted. None for 60.
        trial_timeout: Seconds after which a trial is killed.
        trial_memory: GiB above which a trial is killed.
        max_retries: How often a trial is started again if its worker is lost.
        max_failures: Failed trials in a row (1 or more), or their share (below 1), that end the search. None for no
            limit.
        labels: Labels of the search; each becomes a column ``m:<name>`` of ``results.csv``.

    Raises:
        UserError: A setting has a wrong type or value, or two settings contradict each other.

    Example:
        >>> settings = SearchSettings(problem="problem.py", run="run.py", max_evals=50)
        >>> settings.evaluator
        'ray'
        >>> SearchSettings(problem="problem.py", run="run.py", max_evals=0)
        Traceback (most recent call last):
        ...
        dh_project.common.errors.UserError: max_evals=0: Input should be greater than or equal to 1
    """

    problem: Any
    run: Callable[..., Any] | str
    run_kwargs: Mapping[Text, Any] = field(default_factory=dict)
    folder: Path = Path()
    seed: Natural | None = None
    searcher: Text = "ambs"
    searcher_settings: Mapping[Text, Any] = field(default_factory=dict)
    warm_start: tuple[Path, ...] = ()
    stopper: Text | None = None
    stopper_settings: Mapping[Text, Any] = field(default_factory=dict)
    evaluator: Text = "ray"
    evaluator_settings: Mapping[Text, Any] = field(default_factory=dict)
    num_workers: Whole | None = None
    trial: TrialShape = field(default_factory=TrialShape)
    scratch: Path | None = None
    max_evals: Whole | None = None
    stop: Mapping[Text, Number] = field(default_factory=dict)
    target: Number | None = None
    patience_epochs: Whole | None = None
    max_epochs_total: Whole | None = None
    replicates: Whole = 1
    timeout: Amount | None = None
    walltime: Amount | None = None
    margin: Amount | None = None
    trial_timeout: Amount | None = None
    trial_memory: Amount | None = None
    max_retries: Natural = 1
    max_failures: Amount | None = 100
    labels: Mapping[Text, Text] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if _is_table(self.trial):
            _check_trial(self.trial)
        for name, adapter in _adapters().items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, adapter.validate_python(value))
            except ValidationError as error:
                first = error.errors()[0]
                inner = (
                    "".join(f".{part}" for part in first["loc"] if part in value) if _is_table(value) else ""
                )
                raise UserError(f"{name}{inner}={first['input']!r}: {one_line(first['msg'])}") from None
        for table in TABLES:
            given = getattr(self, table).items()
            object.__setattr__(self, table, {name: _plain(f"{table}.{name}", value) for name, value in given})
        self._check_failures()
        self._check_time()
        if self.stopper not in (None, "none") and self.replicates > 1:
            raise UserError(
                f"replicates={self.replicates}: the stopper {self.stopper} ends the trials of a point at different "
                f"steps, so that their mean says nothing; leave one of the two out"
            )
        if self.stopper is None and self.stopper_settings:
            raise UserError(f"stopper_settings {dict(self.stopper_settings)}: there is no stopper; name one")
        criteria_of(self.stop)
        check_names(evaluator_name(self.evaluator), self.evaluator_settings)
        check_searcher(self.searcher, self.searcher_settings)
        if self.warm_start and self.searcher == "random":
            raise UserError("warm_start: random search learns nothing; leave it out, or search with ambs")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SearchSettings:
        """Return settings from values by name.

        Raises:
            UserError: A name is unknown, ``problem`` or ``run`` is missing, or a value is wrong.

        Example:
            >>> SearchSettings.of({"problem": "problem.py", "run": "run.py", "max_evals": 50}).max_evals
            50
        """
        names = [each.name for each in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown("setting", name, names)
        for name in ("problem", "run"):
            if name not in values:
                raise UserError(
                    f"{name} is missing: name the {'space' if name == 'problem' else 'run function'}"
                )
        return cls(**values)

    @property
    def max_trials(self) -> int | None:
        """Number of trials of all points, over all sessions. None for no limit."""
        return None if self.max_evals is None else self.max_evals * self.replicates

    def _check_failures(self) -> None:
        limit = self.max_failures
        if limit is not None and limit > 1 and not float(limit).is_integer():
            raise UserError(f"max_failures={limit}: give failures in a row (10) or their share (0.5)")

    def _check_time(self) -> None:
        """Check that the margin is shorter than the walltime."""
        if self.walltime is None:
            if self.margin is not None:
                raise UserError("margin: it is a part of the job's time limit; give walltime, too")
            return
        margin = DEFAULT_MARGIN if self.margin is None else self.margin
        if margin >= self.walltime:
            raise UserError(
                f"walltime={self.walltime:g}: the margin of {margin:g} s leaves no time; give a shorter margin"
            )


DEFAULT_MARGIN = 60.0
"""Margin in seconds if only a walltime is given."""


TABLES = ("run_kwargs", "searcher_settings", "stopper_settings", "evaluator_settings")
"""Settings that hold the user's values by name."""


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    """Return the validator of each setting."""
    hints = get_type_hints(SearchSettings, include_extras=True)
    return {name: TypeAdapter(hint) for name, hint in hints.items() if name not in ("problem", "run")}


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _check_trial(values: Any) -> None:
    """Check the names of a trial's shape that is given as a table.

    Raises:
        UserError: One is unknown.
    """
    names = [each.name for each in fields(TrialShape)]
    for name in values:
        if name not in names:
            raise unknown("setting of trial", str(name), names)


def _plain(name: str, value: Any) -> Any:
    """Return a value as the journal, and a file of settings, keep it.

    Raises:
        UserError: JSON has no form for it.
    """
    try:
        return json.loads(json.dumps(value, default=_as_text_or_number), parse_constant=_constant)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {one_line(error)}; give numbers, texts, lists or tables") from None


def _constant(word: str) -> float:
    if word == "NaN":
        raise ValueError("NaN equals nothing, so that the search could not be continued")
    return float(word)


def _as_text_or_number(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of NumPy or PyTorch
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__} cannot be kept in the journal")
