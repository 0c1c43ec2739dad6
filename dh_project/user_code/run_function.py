"""The run function of a search, given by name or as an object. Workers import it, or receive it by value."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any
from uuid import uuid4

from dh_project.common.errors import UserError, one_line
from dh_project.common.files import replacing
from dh_project.user_code.importing import PICKLED
from dh_project.user_code.loading import absolute_target, load_run
from dh_project.user_code.projects import full_name
from dh_project.user_code.trainables import as_run

IN_A_FILE = "write it into a file (%%writefile run.py in a notebook) and give its name: run='run.py:{name}'"


@dataclass(frozen=True)
class RunFunction:
    """A run function, and how workers load it.

    Attributes:
        name: Its name in the journal: the import path or file. A function of ``__main__`` has its name and a hash of
            its source, so that two notebooks are two searches.
        target: The import path for workers; empty if the function is sent by value.
        function: The function itself.
        pickled: The pickled function if it is sent by value.

    Example:
        >>> RunFunction.of("dh_project.cgcnn_mp.model_run.run").target
        'dh_project.cgcnn_mp.model_run.run'
    """

    name: str
    target: str
    function: Callable[..., Any]
    pickled: bytes = b""

    @classmethod
    def of(cls, run: Callable[..., Any] | str) -> RunFunction:
        """Find a run function.

        Args:
            run: An import path, a file (``run.py`` or ``run.py:name``), a function, a class trainable or a
                LightningModule.

        Raises:
            UserError: It does not exist or cannot be called, or workers can neither import nor receive it.
        """
        if isinstance(run, str):
            given = full_name(run, "run")
            target = absolute_target(given)
            return cls(target, target, load_run(given))
        name = _name(run)
        if run.__module__ != "__main__" and _is_importable(run):
            target = f"{run.__module__}.{name}"
            return cls(target, target, load_run(target))
        function = as_run(run)
        digest = hashlib.sha256(_source(run)).hexdigest()[:16]
        return cls(f"{run.__module__}.{name}#{digest}", "", function, _pickled(function, name))

    def send(self, folder: Path) -> str:
        """Return the target for workers. A function that is sent by value is first written to a file in a folder.

        Raises:
            OSError: The folder cannot be written to.
        """
        if not self.pickled:
            return self.target
        path = (
            folder.absolute() / f".{uuid4().hex}{PICKLED}"
        )  # another driver may send its own, and be refused
        with replacing(path) as aside:
            aside.write_bytes(self.pickled)
        return str(path)


def _name(run: Any) -> str:
    """Return the name of a function or class.

    Raises:
        UserError: It has no name that distinguishes two searches.
    """
    if inspect.ismethod(run):
        raise UserError(
            f"run: {run.__qualname__} is a method, which takes its object along; write a function: def run(point)"
        )
    name = getattr(run, "__qualname__", None)
    if name is None or not hasattr(run, "__module__"):
        raise UserError(
            f"run: a value of type {type(run).__name__} is not a function; give def run(point), or its import "
            "path; constant arguments go into run_kwargs"
        )
    if name.endswith("<lambda>"):
        raise UserError("run: a lambda has no name to tell searches apart; write a function: def run(point)")
    return str(name)


def _is_importable(run: Any) -> bool:
    """Return whether the function or class can be imported from its module by its name."""
    if "<locals>" in run.__qualname__ or "." in run.__qualname__:
        return False
    try:
        return getattr(importlib.import_module(run.__module__), run.__qualname__, None) is run
    except ImportError:
        return False


def _source(run: Any) -> bytes:
    """Return the source of a function, or its compiled code if there is no source, to compare functions."""
    try:
        return inspect.getsource(run).encode()
    except (OSError, TypeError):
        code = getattr(run, "__code__", None)
        return repr(_in_code(code)).encode() if code else b""


def _in_code(value: Any) -> Any:
    """Return the content of compiled code in a form that is the same in every process."""
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, [_in_code(each) for each in value.co_consts]
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


def _pickled(function: Callable[..., Any], name: str) -> bytes:
    """Return the pickled function, after a check that it can be loaded again.

    Raises:
        UserError: The function refers to an object that cannot be pickled.
    """
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(function)
        pickle.loads(content)
    except Exception as error:
        raise UserError(
            f"run: {name} cannot be sent to workers: {one_line(error)}; {IN_A_FILE.format(name=name)}"
        ) from None
    return content
