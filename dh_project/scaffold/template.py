"""The templates of problems: a folder each, of Jinja2 files and a description.

A template is the folder ``templates/<name>/``. Its files end in ``.j2``, which is removed from the rendered file.
``NAME`` in a file name is replaced by the name of the problem. ``template.toml`` describes the template. Files for
all problems are in ``shared/``; a file of the same name in the template replaces them.
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
from dh_project.common.files import at_home
from dh_project.common.key_values import parse_key_values

HOME = Path(__file__).parent
TEMPLATES, SHARED, PROJECT = HOME / "templates", HOME / "shared", HOME / "project"
DESCRIPTION, ENDING, PLACEHOLDER = "template.toml", ".j2", "NAME"
DEFAULT = "torch"


@dataclass(frozen=True)
class Option:
    """An option ``key=value`` of a template.

    Attributes:
        default: Its default.
        help: Its explanation.
        is_path: Whether it is the path of an existing file or folder.
        is_file: Whether the path must be a file.
        holds: Name of a file that the folder must contain.
    """

    default: Any
    help: str
    is_path: bool = False
    is_file: bool = False
    holds: str = ""


@dataclass(frozen=True)
class Template:
    """A template of a problem.

    Attributes:
        name: The name of its folder.
        description: A description in one line.
        needs: Modules that must be installed, by import name.
        extra: The extra of this package that installs them; empty if the package requires them.
        base: Another template, whose files are used unless this template has files of the same names.
        run: The attribute of ``model_run.py`` for ``--run``.
        quick: Arguments of the run function that make it fast, for the test.
        options: Its options by name.
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
        """The folders of its files; files in earlier folders replace those in later ones."""
        return [*(TEMPLATES / name for name in (self.name, self.base) if name), SHARED]

    def check_needs(self) -> None:
        """Check that all required modules are installed.

        Raises:
            UserError: A module is not installed.
        """
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            package = f"'dh_project[{self.extra}]'" if self.extra else " ".join(missing)
            raise UserError(
                f"--template {self.name} needs {', '.join(missing)}, which is not installed; "
                f"install it with: {sys.executable} -m pip install {package}"
            )

    def read_options(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the value of each option, from words ``key=value``; ``none`` stands for the default.

        Raises:
            UserError: An option is unknown or invalid.
        """
        given = parse_key_values(words)
        for name in given:
            if name not in self.options:
                valid = ", ".join(self.options) or "none"
                raise UserError(
                    f"{name}: the template {self.name} has no such option{did_you_mean(name, self.options)}; "
                    f"valid: {valid}"
                )
        given = {name: value for name, value in given.items() if value is not None}
        read = {
            name: self._path(name, str(value)) for name, value in given.items() if self.options[name].is_path
        }
        return {name: option.default for name, option in self.options.items()} | given | read

    def _path(self, name: str, value: str) -> str:
        """Return an absolute path.

        Raises:
            UserError: It does not exist, or is not of the right kind.
        """
        path, holds = at_home(value), self.options[name].holds
        if not path.exists():
            raise UserError(f"{name}={value}: there is no such file or folder; name an existing one")
        if self.options[name].is_file and not path.is_file():
            raise UserError(f"{name}={value}: this is no file; name one")
        if holds and path.is_dir() and not (path / holds).is_file():
            raise UserError(f"{name}={value}: it holds no {holds}; name a folder that does")
        return str(path.resolve())


def template_names() -> list[str]:
    """Return the names of all templates, the default first."""
    names = sorted(path.parent.name for path in TEMPLATES.glob(f"*/{DESCRIPTION}"))
    return sorted(names, key=lambda name: name != DEFAULT)


def load_template(name: str) -> Template:
    """Return a template.

    Raises:
        UserError: There is no template of this name.

    Example:
        >>> load_template("sklearn").needs
        ['sklearn']
    """
    if name not in template_names():
        raise unknown("template", name, template_names())
    facts = tomllib.loads((TEMPLATES / name / DESCRIPTION).read_text(encoding="utf-8"))
    options = {key: Option(**option) for key, option in facts.pop("options", {}).items()}
    return Template(name, **facts, options=options)


def in_python(value: Any) -> str:
    """Return a value as Python code, with texts in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{in_python(key)}: {in_python(item)}" for key, item in value.items()) + "}"
    return repr(value)


def render(folders: Sequence[Path], name: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """Render all files of some folders.

    Args:
        folders: Folders with files that end in ``.j2``; files in earlier folders replace those in later ones.
        name: The text that replaces ``NAME`` in their paths.
        facts: The variables of the templates.

    Returns:
        The rendered texts by path, without empty ones.
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
