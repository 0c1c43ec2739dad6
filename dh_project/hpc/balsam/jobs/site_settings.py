"""``dh_project.toml`` in a Balsam folder: the user's container, work directory, data folders and outputs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.common.files import at_home
from dh_project.hpc.balsam.install.installation import Installation


class SiteSettings(BaseModel):
    """The user's settings of a site. All of them are optional.

    Attributes:
        image: Container image in which trials run.
        work_directory: Folder in which searches run and to which their input data is copied; by default the site's.
        outputs: Folder to which the results of each search are copied.
        data: Paths of data by name; ``--run-kwargs data=NAME`` stands for the path.
    """

    model_config = ConfigDict(extra="forbid")

    image: str | None = None
    work_directory: Path | None = None
    outputs: Path | None = None
    data: dict[str, Path] = Field(default_factory=dict)


def read_site_settings(installation: Installation) -> SiteSettings:
    """Return the settings of a Balsam folder. Relative paths in them start from that folder.

    Raises:
        UserError: The file is not TOML, or a key or a value in it is wrong.
    """
    file = installation.settings_file
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SiteSettings()
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as TOML: {one_line(error)}") from None
    try:
        settings = SiteSettings.model_validate(content)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        if wrong["type"] == "extra_forbidden":
            names = list(SiteSettings.model_fields)
            raise UserError(
                f"{file}: unknown setting {name!r}{did_you_mean(name, names)}; valid: {', '.join(names)}"
            ) from None
        raise UserError(f"{file}: {name}: {wrong['msg']}") from None
    home = installation.folder
    return settings.model_copy(
        update={
            "work_directory": _from(home, settings.work_directory),
            "outputs": _from(home, settings.outputs),
            "data": {name: _from(home, path) for name, path in settings.data.items()},
        }
    )


def paths_in(run_kwargs: Mapping[str, Any], settings: SiteSettings, directory: Path) -> dict[str, Path]:
    """Return the run function's arguments that name data of the settings, or an existing file or folder.

    Args:
        run_kwargs: Constant arguments of the run function.
        settings: The settings of the site; a name of data comes before a file of the same name.
        directory: Folder that relative paths start from.

    Raises:
        UserError: A data place that is named is not there.
    """
    paths: dict[str, Path] = {}
    for name, value in run_kwargs.items():
        if not isinstance(value, str) or not value:
            continue
        if (place := settings.data.get(value)) is not None:
            if not place.exists():
                raise UserError(f"--run-kwargs {name}={value}: the site's data place {place} is not there")
            paths[name] = place
        elif (path := directory / value).exists():
            paths[name] = Path(path).resolve()
    return paths


def _from(home: Path, path: Path | None) -> Path | None:
    return None if path is None else Path(os.path.normpath(home / at_home(path)))
