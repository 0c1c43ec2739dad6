"""YAML by the core schema of YAML 1.2; PyYAML's own loaders and dumpers follow YAML 1.1."""

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


def dump_yaml(content: Any) -> str:
    """Return YAML, with numbers at full precision and without anchors.

    A text that YAML 1.1 or YAML 1.2 would read as something else is quoted.

    Example:
        >>> row = {"id": 3}
        >>> print(dump_yaml({"0": row, "1": row, "release": "1e3"}), end="")
        '0':
          id: 3
        '1':
          id: 3
        release: '1e3'
    """
    text: str = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return text


class Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice in full both times."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: a file that people read has no anchors."""
        return True


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    has_breaks = any(character in text for character in "\x85\u2028\u2029\ufeff")  # lost without quotes
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if has_breaks else None)


Dumper.add_representer(str, _text)


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
    for _class in (CoreLoader, Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)
