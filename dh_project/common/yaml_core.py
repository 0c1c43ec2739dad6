"""Reading YAML by the core schema of YAML 1.2; PyYAML's own loaders follow YAML 1.1."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import YAMLError as YAMLError


def load_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        YAMLError: The text is no YAML.

    Example:
        >>> load_yaml("[1e-3, yes, 011]")
        [0.001, 'yes', 11]
    """
    return yaml.load(text, CoreLoader)


class CoreLoader(yaml.SafeLoader):
    """Reads plain scalars by the core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _int(loader: CoreLoader, node: yaml.ScalarNode) -> int:
    text = node.value
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


CoreLoader.add_constructor("tag:yaml.org,2002:int", _int)
for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)
