"""Models that ``--run`` accepts besides functions: a class with steps, or a LightningModule.

A search calls functions only; :func:`as_run` turns a class into one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dh_project.common.errors import UserError
from dh_project.user_code.trainables.class_trainable import ClassTrainable, check_class
from dh_project.user_code.trainables.lightning_class import is_lightning_module


def as_run(model: Any) -> Callable[..., Any]:
    """Return a function ``run(point, **run_kwargs)`` for a model.

    Args:
        model: A run function, which is returned unchanged; a class with ``setup``, ``step``, ``save`` and ``load``;
            or a LightningModule class.

    Raises:
        UserError: The model is none of these.

    Example:
        >>> class Model:
        ...     steps = 2
        ...     def setup(self, point): self.x = point["x"]
        ...     def step(self): self.x += 1; return self.x
        ...     def save(self, folder): (folder / "x").write_text(str(self.x))
        ...     def load(self, folder): self.x = float((folder / "x").read_text())
        >>> as_run(Model)({"x": 0.5})
        2.5
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
