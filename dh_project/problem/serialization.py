"""Spaces from JSON data, with exact ranges and any And and Or conditions."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import ConfigSpace as cs
from ConfigSpace.read_and_write.dictionary import (
    CONDITION_DECODERS,
    FORBIDDEN_DECODERS,
    HYPERPARAMETER_DECODERS,
)

from dh_project.problem.ranges import NormalFloat, UniformFloat
from dh_project.problem.rules import Space


def space_of_data(data: Mapping[str, Any]) -> cs.ConfigurationSpace:
    """Return the space of data from ``ConfigurationSpace.to_serialized_dict``."""
    space = Space(name=data.get("name"))
    decoders = {**HYPERPARAMETER_DECODERS, "uniform_float": _uniform, "normal_float": _normal}
    space.add([_decoded(item, space, decoders) for item in data.get("hyperparameters", [])])
    space.add([_decoded(item, space, CONDITION_DECODERS) for item in data.get("conditions", [])])
    space.add([_decoded(item, space, FORBIDDEN_DECODERS) for item in data.get("forbiddens", [])])
    return space


def _decoded(item: Mapping[str, Any], space: Space, decoders: Mapping[str, Any]) -> Any:
    def decode(inner: Mapping[str, Any], space: Space, _: Any) -> Any:
        return _decoded(inner, space, decoders)

    parts = deepcopy(dict(item))
    return decoders[parts.pop("type")](parts, space, decode)


def _uniform(item: dict[str, Any], *_: Any) -> UniformFloat:
    return UniformFloat(**item)


def _normal(item: dict[str, Any], *_: Any) -> cs.NormalFloatHyperparameter:
    return cs.NormalFloatHyperparameter(**item) if item.get("log") else NormalFloat(**item)
