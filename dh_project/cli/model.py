"""The model behind ``predict`` and ``train``: named by its path, and imported when a command runs, not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from dh_project.common.errors import UserError, one_line

MODEL = "dh_project.cgcnn_mp"


def import_part(name: str) -> ModuleType:
    """Return a module of the model."""
    return import_module(f"{MODEL}.{name}")


@contextmanager
def refusals() -> Iterator[None]:
    """Tell what the model refuses (data, a setting, a file, a batch too large) as a user's mistake, in one line.

    Raises:
        UserError: In its place.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{error.strerror or one_line(error)}") from error
    except ValueError as error:
        raise UserError(one_line(error)) from error
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported for this
            raise
        raise UserError(
            f"the GPU's memory is full: take a smaller --batch-size ({one_line(error)})"
        ) from error
