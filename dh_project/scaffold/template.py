"""The templates of problems: a folder each, of Jinja2 files and a description.

A template is ``templates/<name>/``: its files end in ``.j2`` and are rendered without that ending, ``NAME`` in the
name of a file stands for the problem's, and ``template.toml`` describes it. What every problem has alike lies in
``shared/``; a file of the same name in the template takes its place.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, did_you_mean, unknown
from dh_project.common.key_values import parse_key_values

HOME = Path(__file__).parent
TEMPLATES, SHARED, PROJECT = HOME / "templates", HOME / "shared", HOME / "project"
DESCRIPTION, ENDING, PLACEHOLDER = "template.toml", ".j2", "NAME"
DEFAULT = "torch"


@dataclass(frozen=True)
class Option:
    """One word ``key=value`` that a template takes.

    Attributes:
        default: Its value where it is not given.
        help: What it is.
        is_path: Whether it is a file or a folder, which must be there.
        is_file: Whether that must be a file.
        holds: A file that it must hold, where it is a folder.
    """

    default: Any
    help: str
    is_path: bool = False
    is_file: bool = False
    holds: str = ""


@dataclass(frozen=True)
class Template:
    """A kind of problem to begin with.

    Attributes:
        name: The name of its folder.
        description: In one line.
        needs: Modules that must be installed, by the name of their import.
        extra: The extra of this package that installs them; empty where its own requirements do.
        base: Another template, whose files it has where it has none of its own.
        run: The attribute of ``model_run.py`` that ``--run`` names.
        quick: Arguments of the run function that make it short, for the test.
        options: What the user may say, by name.
    """

    name: str
    description: str
    needs: Sequence[str] = ()
    extra: str = ""
    base: str = ""
    run: str = "run"
    quick: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def folders(self) -> list[Path]:
        """Where its files lie, an earlier folder's before a later one's."""
        return [*(TEMPLATES / name for name in (self.name, self.base) if name), SHARED]

    def check_needs(self) -> None:
        """Check that what it needs is installed.

        Raises:
            UserError: It is not.
        """
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            package = f"'dh_project[{self.extra}]'" if self.extra else " ".join(missing)
            raise UserError(
                f"--template {self.name} needs {', '.join(missing)}, which is not installed; "
                f"install it with: {sys.executable} -m pip install {package}"
            )

    def read_options(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the value of each option, from words ``key=value``.

        Raises:
            UserError: One is unknown, or is not what it must be.
        """
        given = parse_key_values(words)
        for name in given:
            if name not in self.options:
                valid = ", ".join(self.options) or "none"
                raise UserError(
                    f"{name}: the template {self.name} has no such option{did_you_mean(name, self.options)}; "
                    f"valid: {valid}"
                )
        read = {
            name: self._path(name, str(value)) for name, value in given.items() if self.options[name].is_path
        }
        return {name: option.default for name, option in self.options.items()} | given | read

    def _path(self, name: str, value: str) -> str:
        """Return a path that means the same from every folder.

        Raises:
            UserError: It is not there, or is not what it must be.
        """
        path, holds = Path(value).expanduser(), self.options[name].holds
        if not path.exists():
            raise UserError(f"{name}={value}: there is no such file or folder; name one that is there")
        if self.options[name].is_file and not path.is_file():
            raise UserError(f"{name}={value}: this is no file; name one")
        if holds and path.is_dir() and not (path / holds).is_file():
            raise UserError(f"{name}={value}: it holds no {holds}; name a folder that does")
        return str(path.resolve())


def template_names() -> list[str]:
    """Return the names of the templates, the default first."""
    names = sorted(path.parent.name for path in TEMPLATES.glob(f"*/{DESCRIPTION}"))
    return sorted(names, key=lambda name: name != DEFAULT)


def load_template(name: str) -> Template:
    """Return a template by its name.

    Raises:
        UserError: There is none of this name.
    """
    if name not in template_names():
        raise unknown("template", name, template_names())
    facts = tomllib.loads((TEMPLATES / name / DESCRIPTION).read_text(encoding="utf-8"))
    options = {key: Option(**option) for key, option in facts.pop("options", {}).items()}
    return Template(name, **facts, options=options)


def in_python(value: Any) -> str:
    """Return a value of an option as Python code, in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{in_python(key)}: {in_python(item)}" for key, item in value.items()) + "}"
    return repr(value)


def render(folders: Sequence[Path], name: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """Render all files of some folders, of which an earlier one's take the place of a later one's.

    Args:
        folders: With files that end in ``.j2``.
        name: What ``NAME`` in their paths stands for.
        facts: What the files are filled with.

    Returns:
        The texts, by path; a file that comes out empty is left out.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["repr"] = in_python
    texts = {
        path.removesuffix(ENDING).replace(PLACEHOLDER, name): environment.get_template(path).render(facts)
        for path in environment.list_templates(extensions=[ENDING.removeprefix(".")])
    }
    return {path: text for path, text in texts.items() if text.strip()}
