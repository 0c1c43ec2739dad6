"""The model of ``predict`` and ``train``, which is imported only when a command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from dh_project.common.errors import UserError, one_line

MODEL = "dh_project.cgcnn_mp"


def import_part(name: str) -> ModuleType:
    """Import and return a module of the model."""
    return import_module(f"{MODEL}.{name}")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn errors of the model (data, a setting, a file, a batch too large) into one-line mistakes of the user.

    Raises:
        UserError: The block raised such an error.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{error.strerror or one_line(error)}") from error
    except ValueError as error:
        raise UserError(one_line(error)) from error
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # compared by name, so that torch is not imported
            raise
        raise UserError(
            f"the GPU's memory is full: take a smaller --batch-size ({one_line(error)})"
        ) from error
