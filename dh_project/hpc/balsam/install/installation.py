"""A Balsam folder, which ``deephyper balsam-init`` makes: its paths and its description."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole

TOKEN_NAME, LOGIN_NAME = "client.yml", "login.json"
"""In the private folder: the token, in the format of Balsam's own client, and the login that renews it."""

FOLDER_VARIABLE = "DH_PROJECT_BALSAM"
"""Variable that ``activate`` sets to the Balsam folder."""


class NodeKind(BaseModel):
    """Resources of a site's compute nodes, as its launchers count them.

    Attributes:
        cores: Cores for jobs, including the driver of a search.
        gpus: Number of GPUs.
        packs: Whether several jobs of mpi mode may share a node.
    """

    cores: int
    gpus: int = 0
    packs: bool = True


class Description(BaseModel):
    """The content of ``installation.json``: what was set up.

    Attributes:
        schema_version: Version of the file's format.
        balsam: Version of Balsam in the environment.
        site_type: ``local``, or a system that Balsam ships settings for.
        site_name: The site's name on the server.
        site_id: The site's id on the server.
        url: Address of the server.
        owns_server: Whether the server belongs to this folder.
        node: Resources of the site's compute nodes.
    """

    schema_version: int = 1
    balsam: str
    site_type: str
    site_name: str
    site_id: int
    url: str
    owns_server: bool
    node: NodeKind


@dataclass(frozen=True)
class Installation:
    """Every path of a Balsam folder; nothing else builds their names."""

    folder: Path

    @property
    def description_file(self) -> Path:
        """The description. It is written last, so a folder without it is unfinished."""
        return self.folder / "installation.json"

    @property
    def activate(self) -> Path:
        """Script that a shell sources to activate the folder."""
        return self.folder / "activate"

    @property
    def environment(self) -> Path:
        """Balsam's own virtual environment."""
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        """The interpreter of that environment."""
        return self.environment / "bin" / "python"

    @property
    def private(self) -> Path:
        """Folder of files that only the user can read."""
        return self.folder / "private"

    @property
    def token_file(self) -> Path:
        """The token, in the format of Balsam's own client."""
        return self.private / TOKEN_NAME

    @property
    def login_file(self) -> Path:
        """Name and password at the folder's own server, for renewing the token. A hosted server has no such file."""
        return self.private / LOGIN_NAME

    @property
    def server(self) -> Path:
        """The server's database, log and process numbers."""
        return self.folder / "server"

    @property
    def site(self) -> Path:
        """The site in Balsam's layout: ``settings.yml``, ``job-template.sh``, ``data``, ``log``, ``qsubmit``."""
        return self.folder / "site"

    @property
    def data(self) -> Path:
        """Folder in which jobs run."""
        return self.site / "data"

    @property
    def settings_file(self) -> Path:
        """Settings of the site that this package reads: image, work directory, data folders, outputs."""
        return self.folder / "dh_project.toml"

    def describe(self) -> Description:
        """Return the description.

        Raises:
            UserError: The folder is no Balsam folder, or is unfinished.
        """
        try:
            return Description.model_validate_json(self.description_file.read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{self.folder}: this is not a complete Balsam folder; make or mend it with: "
                f"deephyper balsam-init {self.folder}"
            ) from None
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ": ".join([str(self.description_file), *map(str, wrong["loc"])])
            raise UserError(
                f"{where}: {wrong['msg']}; mend the folder with: deephyper balsam-init {self.folder}"
            ) from None

    def write_description(self, description: Description) -> None:
        """Write the description."""
        write_whole(self.description_file, description.model_dump_json(indent=1) + "\n")


def has_active_installation() -> bool:
    """Return whether a Balsam folder is activated in this shell."""
    return bool(os.environ.get(FOLDER_VARIABLE))


def active_installation(folder: Path | None = None) -> Installation:
    """Return the named Balsam folder, or else the activated one.

    Raises:
        UserError: No folder is named or activated, or it is not complete.
    """
    if folder is None:
        named = os.environ.get(FOLDER_VARIABLE)
        if not named:
            raise UserError(
                "no Balsam folder is activated; make one with: deephyper balsam-init DIR, then: source DIR/activate"
            )
        folder = Path(named)
    installation = Installation(folder.absolute())
    installation.describe()
    return installation
