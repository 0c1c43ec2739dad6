"""The search: its settings, its loop, and the searchers and stoppers that steer it."""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """Interim: the folder has the name of ``dh.search``."""

    def __call__(self, *words: Any, **settings: Any) -> Any:
        from dh_project.search.run import search

        return search(*words, **settings)


sys.modules[__name__].__class__ = _Callable
