"""What may stand where a run function is asked for: a class with steps, or a Lightning module.

The search knows functions alone: :func:`as_run` makes one of either, and leaves a function as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dh_project.common.errors import UserError
from dh_project.user_code.trainables.class_trainable import ClassTrainable, check_class
from dh_project.user_code.trainables.lightning_class import is_lightning_module


def as_run(model: Any) -> Callable[..., Any]:
    """Return ``run(point, **run_kwargs)`` for a model.

    Args:
        model: A run function; a class with ``setup``, ``step``, ``save`` and ``load``; or a LightningModule class.

    Raises:
        UserError: It is none of these.
    """
    if is_lightning_module(model):
        from dh_project.user_code.trainables.lightning_trainable import LightningTrainable

        return LightningTrainable(model)
    if isinstance(model, type):
        check_class(model)
        return ClassTrainable(model)
    if not callable(model):
        raise UserError(f"a {type(model).__name__} cannot be called; name a function run(point)")
    return model
