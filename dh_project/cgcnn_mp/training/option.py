"""One thing that a training can be told: its type, read from a signature, and its value, read from a text."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Option:
    """One thing that a training can be told.

    Attributes:
        name: As in ``run`` or ``ORIGINAL``.
        kinds: Types of a single value: bool, int, float, str.
        items: Types of the members, where it may be a list.
        optional: Whether it may be None.
        default: Its default.
        text: What it means.
    """

    name: str
    kinds: tuple[type, ...]
    items: tuple[type, ...]
    optional: bool
    default: Any
    text: str

    def parse(self, text: str) -> Any:
        """Read a value that is written on a command line: a list has commas between, None is ``none``.

        Raises:
            ValueError: It is no such value.
        """
        if self.optional and text.lower() == "none":
            return None
        if self.items and str not in self.kinds and ("," in text or not self.kinds):
            return [self._single(part.strip(), self.items) for part in text.split(",") if part.strip()]
        return self._single(text, self.kinds)

    def _single(self, text: str, kinds: tuple[type, ...]) -> Any:
        for kind in sorted(kinds, key=list(WORDS).index):
            try:
                value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
            except (ValueError, KeyError):
                continue
            if not isinstance(value, float) or isfinite(value):
                return value
        raise ValueError(f"{self.name} is {text!r}; it must be {self.wanted}")

    def check(self, value: Any) -> Any:
        """Return a value that JSON gave, if it is one for this option.

        Raises:
            ValueError: It is none.
        """
        is_list = isinstance(value, list | tuple) and bool(self.items)
        members, kinds = (list(value), self.items) if is_list else ([value], self.kinds)
        if (value is None and self.optional) or all(_is_of(member, kinds) for member in members):
            return value
        raise ValueError(f"{self.name} is {value!r}; it must be {self.wanted}")

    @property
    def wanted(self) -> str:
        """What it must be, in words."""
        words = [WORDS[kind] for kind in self.kinds]
        if self.items:
            words.append(f"several with commas, each {' or '.join(WORDS[kind] for kind in self.items)}")
        return " or ".join(words + ["none"] * self.optional)


def _is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, os.PathLike):
        return str in kinds
    if isinstance(value, int):
        return int in kinds or float in kinds
    if isinstance(value, float):
        return float in kinds and isfinite(value)
    return isinstance(value, kinds)


def keyword_options(
    function: Callable[..., Any], texts: Mapping[str, str] | None = None
) -> dict[str, Option]:
    """Return an option for each keyword-only argument of a function.

    Args:
        function: Its arguments have type hints.
        texts: What they mean.
    """
    hints, texts = get_type_hints(function), texts or {}
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            parts = list(_alternatives(hints[name]))
            items = [
                kind for part in parts if get_origin(part) is not None for kind in _kinds(get_args(part))
            ]
            found[name] = Option(
                name=name,
                kinds=_kinds(parts),
                items=tuple(dict.fromkeys(items)),
                optional=NoneType in parts,
                default=parameter.default,
                text=texts.get(name, ""),
            )
    return found


def _alternatives(hint: Any) -> Iterator[Any]:
    """Yield the members of a union, in whatever depth; a path-like is a text."""
    if get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    else:
        yield str if get_origin(hint) is os.PathLike else hint


def _kinds(hints: Sequence[Any]) -> tuple[type, ...]:
    """Return the types of single values among some hints."""
    parts = [part for hint in hints for part in _alternatives(hint)]
    return tuple(dict.fromkeys(part for part in parts if part in WORDS))
